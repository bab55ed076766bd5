// Linked maps of the same texts. Streamlit mounts this module two or three times per set of maps: "carriers" bring bytes (points, texts) that the
// server sends again only when they change, and the view brings the rest. They find each other by their channel, the key on the Python side.

const GAP = 16, LEAST_SIDE = 300, CLICK_PX = 8, STILL_PX = 4, LABEL_HEIGHT = 15, LABEL_CHARS = 22, MOST_CORNERS = 400;
const ARROW_PX = 5, ARROW_INSET = 9;
const SETTLE_MS = 180, DOUBLE_MS = 260, STEP_MS = 900, REPEAT_MS = 4000, GIVE_UP_MS = 60_000;
const DEEPEST = 1 / 400; // of the window: how far one can zoom in
const TYPED_INTO = "input:not([type=range], [type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]";
const carried = new Map(); // channel -> {points, texts}
const kept = new Map(); // channel -> {places, view, mode, moment}: outlives a remount while the points keep their places
const mounted = new Map(); // parent element -> Maps or carrier
let lastSequence = 0, lastScroll = 0;
window.addEventListener("scroll", () => { lastScroll = performance.now(); }, { capture: true, passive: true });

function carry(bytes) {
  const header = unpack(bytes), { channel, part, hash } = header, own = carried.get(channel) ?? {};
  if (own[part]?.hash !== hash) own[part] = part === "points" ? readPoints(header) : readTexts(header);
  carried.set(channel, own);
  for (const maps of mounted.values()) if (maps.channel === channel) maps.arrived?.();
  return { channel, end() { if (carried.get(channel)?.[part]?.hash === hash) delete carried.get(channel)[part]; } };
}

// ---- small helpers ----

function make(tag, className, attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function icon(paths) {
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawn.setAttribute("viewBox", "0 0 16 16");
  drawn.setAttribute("aria-hidden", "true");
  for (const d of paths) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    drawn.append(path);
  }
  return drawn;
}

const ICONS = {
  lasso: ["M5.2 10.8C2.9 10.2 1.5 8.9 1.5 7.2 1.5 4.6 4.4 2.5 8 2.5s6.5 2.1 6.5 4.7S11.6 11.9 8 11.9c-.9 0-1.4 0-2-.2",
    "M5.6 11.7a1.3 1.3 0 1 0-.1-2.4c-.9.5-.5 1.9.1 2.4.6.6.6 1.4-.4 2"],
  box: ["M2.5 5V2.5H5M11 2.5h2.5V5M13.5 11v2.5H11M5 13.5H2.5V11", "M7 2.5h2M7 13.5h2M2.5 7v2M13.5 7v2"],
  move: ["M8 1.8v12.4M1.8 8h12.4", "M6.2 3.6 8 1.8l1.8 1.8M6.2 12.4 8 14.2l1.8-1.8M3.6 6.2 1.8 8l1.8 1.8M12.4 6.2 14.2 8l-1.8 1.8"],
  reset: ["M2.6 8a5.4 5.4 0 1 0 1.7-3.9", "M4.6 1.6 4.2 4.2l2.6.3"],
};

function short(name) {
  const signs = [...name];
  return signs.length <= LABEL_CHARS ? name : `${signs.slice(0, 11).join("").trimEnd()}…${signs.slice(-10).join("").trimStart()}`;
}

function count(n) { return n.toLocaleString("en-US"); }

function bitsOf(text, length) {
  const bytes = atob(text), chosen = new Uint8Array(length);
  for (let i = 0; i < length; i++) chosen[i] = (bytes.charCodeAt(i >> 3) >> (i & 7)) & 1;
  return chosen;
}

// What is selected: Uint8Array over slots, or null.
function sameChoice(a, b) { return a === b || Boolean(a && b && a.length === b.length && a.every((value, i) => value === b[i])); }

// ---- the view ----

class Maps {
  constructor(parent, data, tell) {
    Object.assign(this, { parent, data, tell, channel: data.channel, panes: [], boxes: [], chosen: null, pending: [], space: false });
    const before = kept.get(data.channel);
    this.mode = before?.mode ?? "lasso";
    this.view = before?.view ?? { left: 0, bottom: 0, span: 1 };
    this.moment = before?.moment ?? null;
    this.build();
    this.startPen();
    this.watch();
    this.update(data, tell);
  }

  build() {
    this.root = make("div", "maps", { tabindex: "-1" });
    this.status = make("div", "status", { role: "status", "aria-live": "polite" });
    this.tools = make("div", "tools", { role: "toolbar", "aria-label": "Map tools" });
    const words = {
      lasso: "Lasso: draw around texts (shift adds)", box: "Box: select a rectangle (shift adds)",
      move: "Move: drag all maps (also space or the middle button)", reset: "Reset the view (double click)",
    };
    this.buttons = {};
    for (const [name, title] of Object.entries(words)) {
      const button = make("button", "", { type: "button", title, "aria-label": title, "data-tool": name });
      button.append(icon(ICONS[name]));
      button.onclick = () => (name === "reset" ? this.reset() : this.setMode(name));
      this.buttons[name] = button;
    }
    const png = make("button", "word", { type: "button", title: "Save the maps as they are shown", "aria-label": "Save as PNG", "data-tool": "png" });
    png.textContent = "PNG";
    png.onclick = () => this.savePicture();
    this.tools.append(...Object.values(this.buttons), png);
    this.bar = make("div", "bar");
    this.bar.append(this.status, this.tools);
    this.note = make("div", "note");
    this.stage = make("div", "stage");
    this.grid = make("div", "grid");
    this.ground = make("canvas", "marks", { "aria-hidden": "true" });
    this.over = make("canvas", "over", { "aria-hidden": "true" });
    this.tip = make("div", "tip", { role: "tooltip" });
    this.tip.hidden = true;
    this.stage.append(this.grid, this.ground, this.over, this.tip);
    this.root.append(this.bar, this.note, this.stage);
    this.root.dmlviz = this; // for tests and benchmarks/look_maps.py
    this.parent.append(this.root);
    this.setMode(this.mode);
  }

  startPen() {
    try {
      this.marks = new GlMarks(this.ground);
      this.note.hidden = true;
    } catch (error) {
      const fresh = make("canvas", "marks", { "aria-hidden": "true" }); // a canvas that was asked for WebGL gives no 2D context
      this.ground.replaceWith(fresh);
      this.ground = fresh;
      this.marks = new FlatMarks(fresh);
      this.note.textContent = "This browser offers no WebGL2, so the maps are drawn in a slower way; all tools work.";
      this.note.hidden = false;
    }
    this.root.dataset.pen = this.marks instanceof GlMarks ? "webgl2" : "2d";
  }

  watch() {
    this.sizes = new ResizeObserver(() => this.layout());
    this.sizes.observe(this.root);
    this.ground.addEventListener("webglcontextlost", event => { event.preventDefault(); this.lost = true; });
    this.ground.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.marks.build();
      this.setColors();
      if (this.points) { this.marks.setPoints(this.points.panes); this.pick(this.chosen); }
      this.draw();
    });
    this.onKey = event => this.key(event);
    this.onKeyUp = event => { if (event.code === "Space") { this.space = false; this.root.classList.remove("moving"); } };
    document.addEventListener("keydown", this.onKey, true);
    document.addEventListener("keyup", this.onKeyUp, true);
    this.grid.addEventListener("pointermove", event => this.pointerMove(event));
    this.grid.addEventListener("pointerdown", event => this.pointerDown(event));
    this.grid.addEventListener("pointerup", event => this.pointerUp(event));
    this.grid.addEventListener("pointercancel", () => this.drop());
    this.grid.addEventListener("pointerleave", () => this.hover(null));
    this.grid.addEventListener("dblclick", event => this.doubleClick(event));
    this.grid.addEventListener("wheel", event => this.wheel(event), { passive: false });
    this.grid.addEventListener("auxclick", event => event.preventDefault());
  }

  end() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settling);
    clearTimeout(this.clicking);
    clearTimeout(this.warming);
    clearTimeout(this.repeating);
    this.stop();
    this.sizes.disconnect();
    document.removeEventListener("keydown", this.onKey, true);
    document.removeEventListener("keyup", this.onKeyUp, true);
    this.marks.end();
    this.root.remove();
  }

  // ---- data ----

  update(data, tell) {
    const before = this.data;
    Object.assign(this, { data, tell });
    if (this.pending.length && data.ack >= this.pending.at(-1).sequence) { this.pending = []; clearTimeout(this.repeating); }
    if (!this.look || JSON.stringify(before.themes) !== JSON.stringify(data.themes) || this.isDark() !== this.dark) this.setColors();
    if (!this.panes.length || JSON.stringify(before.panes) !== JSON.stringify(data.panes) || this.wasDark !== this.dark) this.buildPanes();
    this.buildTime();
    this.arrived();
    this.layout();
  }

  // New points or texts may be there, or the server's selection.
  arrived() {
    const { points, texts } = carried.get(this.channel) ?? {};
    this.texts = texts && texts.hash === this.data.texts ? texts : null;
    if (points && points.hash === this.data.points && points !== this.points) this.takePoints(points);
    if (this.points?.hash !== this.data.points) return;
    if (!this.pending.length) {
      const said = this.data.selected;
      const chosen = said === null ? null : bitsOf(said, this.points.rows.length);
      if (!sameChoice(chosen, this.chosen)) this.pick(chosen);
    }
    this.say();
    this.schedule();
  }

  takePoints(points) {
    const old = this.points, chosen = this.chosen;
    if (kept.get(this.channel)?.places !== points.places) { this.view = { left: 0, bottom: 0, span: 1 }; this.moment = null; }
    this.points = points;
    this.moments = Math.max(1, ...points.panes.map(pane => pane.moments));
    if (this.moment === null || this.moment > this.moments - 1) this.moment = this.moments - 1;
    for (const pane of points.panes) pane.dark = this.dark;
    this.hovered = null;
    if (!this.lost) this.marks.setPoints(points.panes);
    this.chosen = null;
    if (chosen && old) this.pick(carriedOver(chosen, old.rows, points.rows));
    this.placed = null;
    this.keep();
    this.buildTime();
  }

  keep() { kept.set(this.channel, { places: this.points?.places, view: this.view, mode: this.mode, moment: this.moment }); }

  isDark() {
    const said = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim();
    if (!/^#[0-9a-f]{6}$/i.test(said)) return this.data.theme === "dark";
    const [red, green, blue] = channels(said);
    return 0.3 * red + 0.59 * green + 0.11 * blue < 128;
  }

  setColors() {
    this.wasDark = this.dark;
    this.dark = this.isDark();
    this.look = this.data.themes[this.dark ? "dark" : "light"];
    for (const name of ["ground", "panel", "ink", "muted", "lines", "accent"]) this.root.style.setProperty(`--${name}`, this.look[name]);
    for (const pane of this.points?.panes ?? []) pane.dark = this.dark;
    if (!this.lost) this.marks.setColors(this.look);
  }

  buildPanes() {
    this.wasDark = this.dark;
    this.grid.replaceChildren();
    this.panes = this.data.panes.map(pane => {
      const cell = make("div", "pane"), head = make("div", "head"), swatch = make("span", "swatch"), title = make("span", "title");
      const said = make("span", "said"), frame = make("div", "frame", { role: "img", "aria-label": pane.alt }), badge = make("div", "badge");
      swatch.style.background = pane.color[this.dark ? 1 : 0];
      title.textContent = title.title = pane.title;
      said.textContent = pane.said;
      badge.textContent = pane.badge;
      if (!pane.badge) badge.hidden = true;
      head.append(swatch, title, said);
      if (!pane.shown) { const empty = make("span", "empty"); empty.textContent = "No texts to show"; frame.append(empty); }
      cell.append(head, frame, badge);
      this.grid.append(cell);
      return { cell, frame, data: pane };
    });
    if (!this.panes.length) { const empty = make("div", "none"); empty.textContent = "No texts to show"; this.grid.append(empty); }
    this.placed = null;
  }

  // ---- layout ----

  columns(width) {
    const n = this.panes.length, most = n <= 4 ? n : n <= 6 ? 3 : 4;
    let columns = Math.max(1, Math.min(most, Math.floor((width + GAP) / (LEAST_SIDE + GAP))));
    if (n === 4 && columns === 3) columns = 2;
    return columns;
  }

  layout() {
    const width = this.root.clientWidth;
    if (!width || !this.panes.length) return;
    const columns = this.columns(width), side = Math.floor(Math.min((width - GAP * (columns - 1)) / columns, this.data.height));
    const whole = columns * side + GAP * (columns - 1);
    this.grid.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
    this.stage.style.width = this.bar.style.width = `${whole}px`;
    if (this.timeRow) this.timeRow.style.width = `${whole}px`;
    for (const { frame } of this.panes) frame.style.height = `${side}px`;
    this.boxes = this.panes.map(({ frame }) => ({ x: frame.offsetLeft + 1, y: frame.offsetTop + 1, side: side - 2 }));
    const ratio = window.devicePixelRatio || 1, size = [whole, this.grid.offsetHeight];
    this.setSize(...size, Math.min(ratio, 8192 / Math.max(...size)));
    if (this.side !== side) { this.side = side; this.placed = null; }
    this.draw();
  }

  setSize(width, height, ratio) {
    this.ratio = ratio;
    this.size = [width, height];
    for (const canvas of [this.ground, this.over]) {
      const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
  }

  // ---- drawing ----

  schedule() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => { this.frame = 0; this.draw(); });
  }

  now() {
    const from = Math.min(Math.floor(this.moment ?? 0), (this.moments ?? 1) - 1), to = Math.min(from + 1, (this.moments ?? 1) - 1);
    const share = (this.moment ?? 0) - from;
    return share > 1e-6 ? { from, to, share } : { from, to: from, share: 0 };
  }

  draw() {
    if (!this.boxes.length || !this.ratio) return;
    if (this.frame) { cancelAnimationFrame(this.frame); this.frame = 0; }
    if (!this.lost) this.marks.draw(this.boxes, this.scene());
    this.drawOver();
    if (this.points) {
      this.root.dataset.points = this.points.hash;
      if (this.firstFrame !== this.points.hash) { this.firstFrame = this.points.hash; this.warming = setTimeout(() => this.warm(), 300); }
    }
  }

  scene() { return { view: this.view, ratio: this.ratio, moment: this.now(), picking: this.chosen && this.chosenCount }; }

  // Makes the programs for a selection before there is one, so that the first lasso is not held up by a compiler. Nothing of it is seen.
  warm() {
    if (this.lost || this.chosen || this.drag) return;
    this.marks.draw(this.boxes, { ...this.scene(), picking: 0 });
    this.marks.draw(this.boxes, this.scene());
  }

  // Names, rings, the lasso: everything that is crisp text or line.
  drawOver(pen = this.over.getContext("2d"), ratio = this.ratio) {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, ...this.size);
    if (!this.points) return;
    if (!this.placed) this.placeLabels(pen);
    this.boxes.forEach((box, i) => {
      pen.save();
      pen.beginPath();
      pen.rect(box.x, box.y, box.side, box.side);
      pen.clip();
      pen.translate(box.x, box.y);
      if (this.points.panes[i]) { // a new pane's points may still be on their way
        this.drawRing(pen, i, box.side);
        this.drawLabels(pen, i, box.side);
        this.drawArrows(pen, i, box.side);
      }
      if (this.drag?.pane === i && this.drag.path.length > 1) this.drawDrag(pen);
      pen.restore();
    });
  }

  toPixels(u, v, side) { return [(u - this.view.left) / this.view.span * side, side - (v - this.view.bottom) / this.view.span * side]; }

  anchor(i, label) {
    const pane = this.points.panes[i];
    if (this.moments === 1 || !pane?.n) return label.anchor;
    label.index ??= nearestTo(pane, label.anchor, this.moments - 1);
    return placeOf(pane, label.index, this.now());
  }

  font(pen) { pen.font = `600 12px ${getComputedStyle(this.root).fontFamily}`; }

  // Where each name goes: at its class's medoid, moved as little as needed to be whole and apart (as figures/labels.py does). Names keep their
  // distance from the medoid while one zooms, and are placed anew when the view rests.
  placeLabels(pen) {
    this.font(pen);
    this.placed = this.boxes.map(({ side }, i) => {
      const taken = [];
      return (this.points.panes[i] ? this.panes[i].data.labels : []).map(label => {
        const shown = short(label.name), half = [pen.measureText(shown).width / 2 + 3, LABEL_HEIGHT / 2 + 1];
        const [x, y] = this.toPixels(...this.anchor(i, label), side), seen = x >= 0 && x <= side && y >= 0 && y <= side;
        const spot = seen && freeSpot(x, y - this.raised(i, x, y, side), half, side, taken);
        if (spot) taken.push([...spot, ...half]);
        return spot ? { label, shown, half, shift: [spot[0] - x, spot[1] - y] } : null;
      });
    });
  }

  // How far above its medoid a name starts so as not to hide a class that is no larger than the name itself.
  raised(i, x, y, side) {
    const pane = this.points.panes[i], moment = this.now(), step = Math.ceil(pane.n / 20_000);
    let near = 0, low = 0, top = 0;
    for (let k = 0; k < pane.n; k += step) {
      const [px, py] = this.toPixels(...placeOf(pane, k, moment), side), up = y - py;
      if (!(Math.abs(px - x) < 40 && Math.abs(up) < 40)) continue;
      near++;
      if (Math.abs(up) <= 14) { low++; top = Math.max(top, up); }
    }
    return low >= 0.9 * near ? top + LABEL_HEIGHT / 2 + 6 : 0;
  }

  drawLabels(pen, i, side) {
    this.font(pen);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    const drawn = [];
    for (const one of this.placed[i] ?? []) {
      if (!one) continue;
      const [x, y] = this.toPixels(...this.anchor(i, one.label), side), at = [x + one.shift[0], y + one.shift[1]];
      const whole = at.every((value, k) => value >= one.half[k] - 3 && value <= side - one.half[k] + 3);
      const outside = !(x >= 0 && x <= side && y >= 0 && y <= side && whole);
      if (outside || drawn.some(other => touches(at, one.half, other))) continue;
      drawn.push([...at, ...one.half]);
      const color = one.label.color ? one.label.color[this.dark ? 1 : 0] : this.look.ink;
      if (Math.hypot(...one.shift) > 30) {
        pen.strokeStyle = color;
        pen.lineWidth = 1;
        pen.beginPath();
        pen.moveTo(x, y);
        pen.lineTo(...at);
        pen.stroke();
      }
      pen.strokeStyle = this.look.ground;
      pen.lineWidth = 3.5;
      pen.strokeText(one.shown, ...at);
      pen.fillStyle = color;
      pen.fillText(one.shown, ...at);
    }
  }

  // At the border: where texts lie outside of the frame, and how many. Not while one has zoomed in, when most texts are outside.
  drawArrows(pen, i, side) {
    if (this.view.span < 0.999) return;
    pen.font = `600 11px ${getComputedStyle(this.root).fontFamily}`;
    pen.lineJoin = "round";
    for (const { place, count: n } of this.panes[i].data.outside ?? []) {
      const [x, y] = this.toPixels(...place, side);
      if (x >= 0 && x <= side && y >= 0 && y <= side) continue;
      const fit = value => Math.min(side - ARROW_INSET, Math.max(ARROW_INSET, value)), [ax, ay] = [fit(x), fit(y)], turn = Math.atan2(y - ay, x - ax);
      const tip = (angle, reach) => [ax + reach * Math.cos(turn + angle), ay + reach * Math.sin(turn + angle)];
      const [dx, dy] = [Math.cos(turn), Math.sin(turn)], upright = Math.abs(dy) >= Math.abs(dx), said = count(n);
      pen.beginPath();
      pen.moveTo(...tip(0, 1.3 * ARROW_PX));
      pen.lineTo(...tip(2.5, 1.1 * ARROW_PX));
      pen.lineTo(...tip(-2.5, 1.1 * ARROW_PX));
      pen.closePath();
      pen.textAlign = upright ? "center" : dx > 0 ? "right" : "left";
      pen.textBaseline = upright ? (dy < 0 ? "top" : "bottom") : "middle";
      const at = upright ? [ax, ay - Math.sign(dy) * (ARROW_PX + 3)] : [ax - Math.sign(dx) * (ARROW_PX + 3), ay];
      pen.strokeStyle = this.look.ground;
      pen.lineWidth = 3;
      pen.stroke();
      pen.strokeText(said, ...at);
      pen.fillStyle = this.look.ink;
      pen.fill();
      pen.fillText(said, ...at);
    }
  }

  drawRing(pen, i, side) {
    if (this.hovered === null || this.hovered === undefined) return;
    const pane = this.points.panes[i], index = pane.index[this.hovered.slot];
    if (index < 0) return;
    const [x, y] = this.toPixels(...placeOf(pane, index, this.now()), side);
    for (const [color, width] of [[this.look.ground, 4.5], [this.look.ink, 2]]) {
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.beginPath();
      pen.arc(x, y, 7.5, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  drawDrag(pen) {
    pen.beginPath();
    for (const point of this.outline()) pen.lineTo(...point);
    pen.closePath();
    pen.fillStyle = this.look.accent;
    pen.globalAlpha = 0.1;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = this.look.accent;
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  // ---- pointer and keys ----

  spot(event) {
    const i = this.panes.findIndex(({ frame }) => frame.contains(event.target));
    return i < 0 ? null : this.spotIn(i, event);
  }

  spotIn(i, event) {
    const area = this.panes[i].frame.getBoundingClientRect(), side = this.boxes[i].side;
    return { pane: i, x: event.clientX - area.left - 1, y: event.clientY - area.top - 1, side };
  }

  pointerDown(event) {
    const at = this.spot(event);
    if (!at || !this.points?.panes[at.pane] || event.button > 1) return;
    event.preventDefault();
    this.root.focus({ preventScroll: true });
    this.panes[at.pane].frame.setPointerCapture(event.pointerId);
    const moving = event.button === 1 || this.space || this.mode === "move";
    const { pane, x, y } = at, { shiftKey: add, button } = event;
    this.drag = { pane, moving, mode: this.mode, start: [x, y], path: [[x, y]], view: { ...this.view }, add, button };
    this.hover(null);
  }

  pointerMove(event) {
    if (!this.drag) { this.hover(this.spot(event), event); return; }
    const { drag } = this, { x, y, side } = this.spotIn(drag.pane, event);
    drag.add ||= event.shiftKey;
    drag.far ||= Math.hypot(x - drag.start[0], y - drag.start[1]) > STILL_PX;
    if (!drag.far) return;
    if (drag.moving) {
      this.root.classList.add("moving");
      const scale = this.view.span / side;
      this.setView({ ...this.view, left: drag.view.left - (x - drag.start[0]) * scale, bottom: drag.view.bottom + (y - drag.start[1]) * scale });
      return;
    }
    const last = drag.path.at(-1);
    if (drag.mode === "box") drag.path = [drag.path[0], [x, y]];
    else if (Math.hypot(x - last[0], y - last[1]) >= 2) drag.path.push([x, y]);
    this.scheduleOver();
  }

  scheduleOver() {
    this.overFrame ||= requestAnimationFrame(() => { this.overFrame = 0; if (this.boxes.length) this.drawOver(); });
  }

  pointerUp(event) {
    const { drag } = this;
    if (!drag) return;
    this.drag = null;
    this.root.classList.toggle("moving", this.space);
    if (drag.moving) return;
    if (drag.far) { this.finishDrag(drag); return; }
    const found = drag.button === 0 && this.nearest(this.spotIn(drag.pane, event));
    if (found) this.click(drag.pane, found, drag.add || event.shiftKey);
    this.scheduleOver();
  }

  drop() { this.drag = null; this.root.classList.remove("moving"); this.scheduleOver(); }

  outline(drag = this.drag) {
    if (drag.mode !== "box") return drag.path;
    const [[x0, y0], [x1, y1]] = [drag.path[0], drag.path.at(-1)];
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  }

  finishDrag(drag) {
    this.rest();
    const side = this.boxes[drag.pane].side, path = this.outline(drag), step = Math.ceil(path.length / MOST_CORNERS);
    const polygon = path.filter((_, i) => i % step === 0).map(point => this.toData(point, side));
    if (polygon.length < 3) { this.scheduleOver(); return; }
    const { window: w, panes } = this.points, pane = panes[drag.pane];
    const corners = polygon.map(([x, y]) => [(x - w[0]) / (w[1] - w[0]), (y - w[2]) / (w[3] - w[2])]);
    this.select(indicesInside(pane, this.now(), corners).map(i => pane.slot[i]), drag.add);
    this.send({ kind: drag.mode, pane: this.data.panes[drag.pane].id, polygon, add: drag.add, moment: this.now().from });
  }

  // Data units of the window, rounded to a ten-thousandth of what is visible.
  toData([px, py], side) {
    const w = this.points.window, digits = Math.max(0, Math.min(12, Math.ceil(4 - Math.log10((w[1] - w[0]) * this.view.span))));
    const x = w[0] + (this.view.left + px / side * this.view.span) * (w[1] - w[0]);
    const y = w[2] + (this.view.bottom + (side - py) / side * this.view.span) * (w[3] - w[2]);
    return [x, y].map(value => Number(value.toFixed(digits)));
  }

  click(i, found, add) {
    const before = this.chosen, pane = this.points.panes[i];
    clearTimeout(this.clicking);
    this.flush?.();
    this.select([pane.slot[found.index]], add);
    const event = { kind: "click", pane: this.data.panes[i].id, row: this.points.rows[pane.slot[found.index]], add, moment: this.now().from };
    this.flush = () => { this.flush = null; this.send(event); };
    this.undo = () => { this.flush = null; this.pick(before); this.say(); this.schedule(); };
    this.clicking = setTimeout(() => this.flush?.(), DOUBLE_MS); // a double click resets the view and selects nothing
  }

  doubleClick(event) {
    event.preventDefault();
    clearTimeout(this.clicking);
    if (this.flush) this.undo();
    this.reset();
  }

  nearest({ pane: i, x, y, side }, within = CLICK_PX) {
    const pane = this.points?.panes[i];
    if (!pane?.n) return null;
    const scale = side / this.view.span, u = this.view.left + x / scale, v = this.view.bottom + (side - y) / scale, moment = this.now();
    let best = (within / scale) ** 2, index = -1;
    for (let k = 0; k < pane.n; k++) {
      const [px, py] = placeOf(pane, k, moment), far = (px - u) ** 2 + (py - v) ** 2;
      if (far <= best) { best = far; index = k; } // the later one lies on top
    }
    return index < 0 ? null : { pane: i, index, slot: pane.slot[index] };
  }

  wheel(event) {
    const at = this.spot(event);
    if (!at || !this.points || performance.now() - lastScroll < 200) return; // a page that is being scrolled goes on scrolling
    const amount = event.deltaY * [1, 16, 300][event.deltaMode] * (event.ctrlKey ? 6 : 1); // pixels, lines, pages; a pinch counts little
    if (amount > 0 && this.view.span >= this.widest()) return;
    event.preventDefault();
    const span = Math.min(this.widest(), Math.max(DEEPEST, this.view.span * Math.exp(Math.max(-240, Math.min(240, amount)) * 0.0016)));
    this.zoomTo(span, at.x / at.side, 1 - at.y / at.side);
  }

  // How far one can zoom out: 1, or more where texts lie outside of the frame.
  widest() { const [left, right] = this.points?.whole ?? [0, 1]; return right - left; }

  zoomTo(span, right, up) {
    const u = this.view.left + right * this.view.span, v = this.view.bottom + up * this.view.span;
    this.setView({ span, left: u - right * span, bottom: v - up * span });
  }

  setView({ left, bottom, span }) {
    const [x0, x1, y0, y1] = this.points?.whole ?? [0, 1, 0, 1], clamp = (value, low, high) => Math.min(high - span, Math.max(low, value));
    this.view = { span, left: clamp(left, x0, x1), bottom: clamp(bottom, y0, y1) };
    this.keep();
    this.tip.hidden = true;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => { this.placed = null; this.scheduleOver(); }, SETTLE_MS);
    this.buttons.reset.classList.toggle("useful", span !== 1 || this.view.left !== 0 || this.view.bottom !== 0);
    this.schedule();
  }

  reset() { this.setView({ left: 0, bottom: 0, span: 1 }); this.placed = null; }

  setMode(mode) {
    this.mode = mode;
    for (const name of ["lasso", "box", "move"]) this.buttons[name].setAttribute("aria-pressed", String(name === mode));
    this.root.dataset.mode = mode;
    if (this.points) this.keep();
  }

  near() { return this.root.matches(":hover") || this.root.matches(":focus-within"); }

  key(event) {
    if (!this.near() || event.ctrlKey || event.metaKey || event.altKey) return;
    const path = event.composedPath(), target = path[0];
    if (target?.matches?.(TYPED_INTO)) return;
    if (event.key === "Escape") {
      if (this.drag) this.drop(); else if (this.chosen) this.clear();
    } else if (event.code === "Space" && !target?.matches?.("button, input")) {
      event.preventDefault();
      this.space = true;
      this.root.classList.add("moving");
    } else if (path.includes(this.root) && (event.key === "+" || event.key === "-")) {
      this.zoomTo(Math.min(this.widest(), Math.max(DEEPEST, this.view.span * (event.key === "+" ? 0.75 : 1 / 0.75))), 0.5, 0.5);
    }
  }

  // ---- selection ----

  select(slots, add) {
    const chosen = add && this.chosen ? this.chosen.slice() : new Uint8Array(this.points.rows.length);
    for (const slot of slots) chosen[slot] = 1;
    this.pick(chosen.some(Boolean) ? chosen : null);
    this.say();
    this.draw();
  }

  // `chosen` over slots, or null.
  pick(chosen) {
    this.chosen = chosen;
    this.chosenCount = chosen ? chosen.reduce((sum, value) => sum + value, 0) : 0;
    if (!this.points || this.lost) return;
    this.marks.setPicked(this.points.panes.map(pane => (chosen ? Uint8Array.from(pane.slot, slot => chosen[slot]) : new Uint8Array(pane.n))));
    this.root.dataset.selected = chosen ? String(this.chosenCount) : "";
  }

  clear() {
    this.flush = null;
    this.pick(null);
    this.say();
    this.draw();
    this.send({ kind: "clear", pane: "", add: false });
  }

  // Tells the server. What it has not seen yet goes along, so that nothing is lost when two come within one run of the script.
  send(event) {
    this.flush?.();
    lastSequence = Math.max(lastSequence + 1, Date.now());
    this.pending = [...(event.add ? this.pending : []), { ...event, sequence: lastSequence }];
    this.tell("event", { events: this.pending });
    this.repeat(REPEAT_MS);
  }

  // What was said into a connection that was about to break is said again, until the server has heard it. A script that is running is left in
  // peace: a word from here would start it anew.
  repeat(wait) {
    clearTimeout(this.repeating);
    this.repeating = setTimeout(() => {
      if (!this.pending.length || wait > GIVE_UP_MS) return;
      const app = document.querySelector("[data-testid=stApp]")?.dataset;
      if (app?.testScriptState !== "running" && (app?.testConnectionState ?? "CONNECTED") === "CONNECTED") this.tell("event", { events: this.pending });
      this.repeat(2 * wait);
    }, wait);
  }

  say() {
    const { rows, panes } = this.points, all = count(rows.length);
    this.status.classList.toggle("some", this.chosen !== null);
    if (this.chosen) this.status.textContent = `${count(this.chosenCount)} of ${all} texts selected`;
    else this.status.textContent = panes.length ? "Draw around texts to select them. Shift adds, Escape clears, the wheel zooms." : "";
  }

  // ---- hover ----

  hover(at, event) {
    const found = at && this.points && !this.playing ? this.nearest(at) : null;
    this.stage.classList.toggle("pointing", Boolean(found));
    if ((found?.slot ?? -1) === (this.hovered?.slot ?? -1) && found?.pane === this.hovered?.pane) return;
    this.hovered = found;
    this.root.dataset.hovered = found ? String(this.points.rows[found.slot]) : "";
    if (found) this.showTip(found); else this.tip.hidden = true;
    this.scheduleOver();
  }

  showTip({ pane: i, index, slot }) {
    const pane = this.points.panes[i], { names } = this.points, label = names[pane.label[index]], read = names[pane.prediction[index]];
    const head = make("div", "class"), swatch = make("span", "swatch"), name = make("b"), line = make("div", "read"), sure = pane.confidence[index];
    swatch.style.background = this.look.fills[pane.color[index]];
    name.textContent = label;
    head.append(swatch, name);
    const part = pane.kind[index] === KIND.support ? "support" : pane.kind[index] === KIND.validation ? "validation" : "test";
    const guess = make("b"), value = pane.value[index], named = this.points.value;
    guess.textContent = read;
    line.append("prediction ", guess, label === read ? ", correct" : ", wrong", `${Number.isFinite(sure) ? ` · confidence ${sure.toFixed(2)}` : ""} · ${part}`);
    if (named) line.append(` · ${named} ${Number.isFinite(value) ? value.toFixed(2) : "not measured"}`);
    const text = make("div", "text");
    text.textContent = this.texts ? this.texts.of(slot) : `row ${this.points.rows[slot]}`;
    this.tip.replaceChildren(head, line, text);
    this.tip.hidden = false;
    const { x: left, y: top, side } = this.boxes[i], [x, y] = this.toPixels(...placeOf(pane, index, this.now()), side);
    const { offsetWidth: w, offsetHeight: h } = this.tip, right = left + x + 14, below = top + y + 14;
    this.tip.style.left = `${Math.max(0, right + w > this.size[0] ? left + x - w - 14 : right)}px`;
    this.tip.style.top = `${Math.max(0, below + h > this.size[1] ? top + y - h - 14 : below)}px`;
  }

  // ---- time ----

  buildTime() {
    const names = this.data.time;
    if (!names || names.length < 2) { this.timeRow?.remove(); this.timeRow = null; return; }
    if (!this.timeRow) {
      this.timeRow = make("div", "time");
      this.play = make("button", "", { type: "button", "data-tool": "play" });
      this.play.onclick = () => (this.playing ? this.stop() : this.start());
      this.slider = make("input", "", { type: "range", min: "0", step: "any", "aria-label": "Moment of the training" });
      this.slider.oninput = () => { this.stop(); this.setMoment(Number(this.slider.value)); };
      this.slider.onchange = () => this.glide(Math.round(this.moment));
      this.slider.addEventListener("keydown", event => {
        const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        this.glide((step > 0 ? Math.floor(this.moment + 1e-6) : Math.ceil(this.moment - 1e-6)) + step);
      });
      this.when = make("span", "when");
      this.timeRow.append(this.play, this.slider, this.when);
      this.bar.after(this.timeRow);
    }
    this.slider.max = String(names.length - 1);
    this.setMoment(Math.min(this.moment ?? names.length - 1, names.length - 1));
    this.labelPlay();
  }

  labelPlay() {
    const said = this.playing ? "Pause" : "Play the training";
    this.play.setAttribute("aria-label", said);
    this.play.title = said;
    this.play.replaceChildren(icon([this.playing ? "M5 3v10M11 3v10" : "M4.5 2.8 13 8l-8.5 5.2z"]));
  }

  setMoment(moment) {
    this.moment = moment;
    this.slider.value = String(moment);
    const said = String(this.data.time[Math.round(moment)]);
    this.when.textContent = said;
    this.slider.setAttribute("aria-valuetext", said);
    this.hover(null);
    if (this.points) this.keep();
    this.schedule();
  }

  // Towards a moment, then on to the next while playing. Without motion where a person asked for less of it.
  glide(goal, then = () => { this.placed = null; this.scheduleOver(); }) {
    goal = Math.max(0, Math.min(this.data.time.length - 1, goal));
    cancelAnimationFrame(this.gliding);
    const from = this.moment, still = matchMedia("(prefers-reduced-motion: reduce)").matches, began = performance.now();
    const lasts = (this.playing ? STEP_MS : STEP_MS / 3) * Math.max(0.2, Math.abs(goal - from));
    const step = () => {
      const share = Math.min(1, (performance.now() - began) / lasts), eased = share * share * (3 - 2 * share);
      if (share === 1 || !still) this.setMoment(share === 1 ? goal : from + (goal - from) * eased);
      if (share < 1) this.gliding = requestAnimationFrame(step); else then();
    };
    step();
  }

  start() {
    this.playing = true;
    if (this.moment >= this.data.time.length - 1) this.setMoment(0);
    const next = () => (this.playing && this.moment < this.data.time.length - 1 ? this.glide(Math.floor(this.moment + 1e-6) + 1, next) : this.stop());
    next();
    this.labelPlay();
  }

  stop() {
    cancelAnimationFrame(this.gliding);
    if (!this.playing) return;
    this.playing = false;
    this.placed = null;
    this.labelPlay();
    this.scheduleOver();
  }

  // A selection belongs to one moment: the nearest one.
  rest() {
    if (!this.timeRow) return;
    this.stop();
    this.setMoment(Math.round(this.moment));
  }

  // ---- picture ----

  savePicture() {
    const [width, height] = this.size, before = this.ratio, ratio = Math.min(Math.max(2, before), 8192 / Math.max(width, height)), pad = 12;
    this.setSize(width, height, ratio);
    this.draw();
    const sheet = make("canvas"), pen = sheet.getContext("2d");
    sheet.width = Math.round((width + 2 * pad) * ratio);
    sheet.height = Math.round((height + 2 * pad) * ratio);
    pen.scale(ratio, ratio);
    pen.fillStyle = this.look.ground;
    pen.fillRect(0, 0, width + 2 * pad, height + 2 * pad);
    pen.translate(pad, pad);
    pen.drawImage(this.ground, 0, 0, width, height);
    pen.drawImage(this.over, 0, 0, width, height);
    this.panes.forEach(({ cell }, i) => this.writePane(pen, cell, this.boxes[i]));
    this.setSize(width, height, before);
    this.draw();
    sheet.toBlob(blob => {
      const link = make("a", "", { download: "maps.png" });
      link.href = URL.createObjectURL(blob);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
  }

  writePane(pen, cell, { x, y, side }) {
    const family = getComputedStyle(this.root).fontFamily;
    pen.strokeStyle = this.look.lines;
    pen.lineWidth = 1;
    pen.strokeRect(x - 0.5, y - 0.5, side + 1, side + 1);
    pen.textBaseline = "alphabetic";
    const { ink, muted } = this.look, written = [[".title", `600 15px ${family}`, ink], [".said", `13px ${family}`, muted], [".badge", `12px ${family}`, muted]];
    for (const [name, font, color] of written) {
      const part = cell.querySelector(name);
      if (!part || part.hidden) continue;
      pen.font = font;
      pen.fillStyle = color;
      pen.fillText(part.textContent, part.offsetLeft, part.offsetTop + (name === ".badge" ? 12 : part.offsetHeight * 0.76), side);
    }
    const swatch = cell.querySelector(".swatch");
    pen.fillStyle = swatch.style.background;
    pen.fillRect(swatch.offsetLeft, swatch.offsetTop, swatch.offsetWidth, swatch.offsetHeight);
  }
}

function touches([x, y], [halfWidth, halfHeight], [ox, oy, ow, oh]) { return Math.abs(x - ox) < halfWidth + ow && Math.abs(y - oy) < halfHeight + oh; }

function freeSpot(x, y, half, side, taken) {
  const fit = (value, room) => Math.min(side - room, Math.max(room, value));
  for (let reach = 0; reach <= 0.35 * side; reach += LABEL_HEIGHT / 2) {
    for (let turn = 0; turn < (reach ? 16 : 1); turn++) {
      const angle = Math.PI / 8 * turn + Math.PI / 2, spot = [fit(x + reach * Math.cos(angle), half[0]), fit(y - reach * Math.sin(angle), half[1])];
      if (!taken.some(other => touches(spot, half, other))) return spot;
    }
  }
  return null;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const before = mounted.get(parentElement);
  if (data instanceof Uint8Array) {
    const carrier = carry(data);
    mounted.set(parentElement, carrier);
    return () => { mounted.get(parentElement)?.end(); mounted.delete(parentElement); };
  }
  if (!data) return undefined;
  if (before instanceof Maps && before.channel === data.channel) before.update(data, setTriggerValue);
  else { before?.end(); mounted.set(parentElement, new Maps(parentElement, data, setTriggerValue)); }
  return () => { mounted.get(parentElement)?.end(); mounted.delete(parentElement); };
}
