// The same marks on a 2D canvas, for browsers without WebGL2: one small picture per look, stamped at every place.

class FlatMarks {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.stamps = new Map();
  }

  setPoints(panes) { this.panes = panes; this.setPicked(panes.map(pane => new Uint8Array(pane.n))); }

  setPicked(states) { this.states = states; }

  setColors(look) { this.look = look; this.stamps.clear(); }

  draw(boxes, { view, ratio, moment, picking }) {
    const pen = this.context;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.panes || !this.look) return;
    this.panes.forEach((pane, i) => {
      if (!pane.n || !boxes[i]) return;
      const { x, y, side } = boxes[i], sizes = sizesOf(pane, view, picking);
      pen.save();
      pen.beginPath();
      pen.rect(x * ratio, y * ratio, side * ratio, side * ratio);
      pen.clip();
      for (const layer of picking === null ? [0] : [0, 1]) this.stampAll(pane, this.states[i], boxes[i], { view, ratio, moment, picking, layer, sizes });
      pen.restore();
    });
  }

  stampAll(pane, state, box, { view, ratio, moment, picking, layer, sizes }) {
    const pen = this.context, scale = box.side / view.span;
    for (let i = 0; i < pane.n; i++) {
      if (picking !== null && state[i] !== layer) continue;
      const [u, v] = placeOf(pane, i, moment);
      const x = box.x + (u - view.left) * scale, y = box.y + box.side - (v - view.bottom) * scale;
      if (!(x > box.x - 20 && x < box.x + box.side + 20 && y > box.y - 20 && y < box.y + box.side + 20)) continue; // NaN too
      const stamp = this.stamp(pane.color[i], pane.symbol[i], pane.kind[i], picking === null ? 0 : layer + 1, sizes, ratio, pane.crowded);
      pen.drawImage(stamp, Math.round(x * ratio - stamp.width / 2), Math.round(y * ratio - stamp.height / 2));
    }
  }

  stamp(color, symbol, kind, state, sizes, ratio, crowded) {
    const key = [color, symbol, kind, state, sizes.test, sizes.support, sizes.opacity, sizes.chosen, ratio, crowded].join();
    if (!this.stamps.has(key)) {
      if (this.stamps.size > 4000) this.stamps.clear();
      this.stamps.set(key, this.make(color, symbol, kind, state, sizes, ratio, crowded));
    }
    return this.stamps.get(key);
  }

  make(color, symbol, kind, state, sizes, ratio, crowded) {
    const support = kind === KIND.support, grey = this.look.greys[color], mark = markOf(kind, sizes, state - 1, crowded);
    const radius = grey ? mark.greyRadius : mark.radius;
    const canvas = document.createElement("canvas"), half = Math.ceil((radius * REACH + 2.5) * ratio);
    canvas.width = canvas.height = 2 * half;
    const pen = canvas.getContext("2d");
    pen.translate(half, half);
    pen.scale(ratio, ratio);
    pen.globalAlpha = mark.opacity;
    outline(pen, support ? 2 : symbol, radius);
    pen.fillStyle = pen.strokeStyle = this.look.fills[color];
    pen.lineWidth = 1.2;
    if (kind === KIND.validation) pen.stroke(); else pen.fill();
    if (this.look.edges[color] !== this.look.fills[color] && kind !== KIND.validation) {
      pen.lineWidth = 0.6;
      pen.strokeStyle = this.look.edges[color];
      pen.stroke();
    }
    if (mark.ring) {
      pen.globalAlpha = mark.ringOpacity;
      pen.lineWidth = mark.ring;
      pen.strokeStyle = support && grey ? this.look.muted : this.look.ink;
      outline(pen, support ? 2 : symbol, radius + mark.ring / 2);
      pen.stroke();
    }
    if (support && symbol === 5) { outline(pen, 5, radius * 0.6); pen.fillStyle = this.look.ink; pen.fill(); }
    return canvas;
  }

  finish() { this.context.getImageData(0, 0, 1, 1); }

  end() {}
}

// The symbol's path around the origin; y grows downwards here.
function outline(pen, symbol, r) {
  pen.beginPath();
  const ring = (n, far, near = far, turn = 0) => {
    const steps = near === far ? n : 2 * n;
    for (let i = 0; i < steps; i++) {
      const angle = turn + 2 * Math.PI * i / steps, reach = i % 2 && near !== far ? near : far;
      pen.lineTo(r * reach * Math.sin(angle), -r * reach * Math.cos(angle));
    }
    pen.closePath();
  };
  const arms = turn => {
    for (let i = 0; i < 4; i++) for (const [a, b] of [[-0.36, 1.05], [0.36, 1.05], [0.36, 0.36]]) {
      const angle = turn + i * Math.PI / 2;
      pen.lineTo(r * (a * Math.cos(angle) + b * Math.sin(angle)), r * (a * Math.sin(angle) - b * Math.cos(angle)));
    }
    pen.closePath();
  };
  if (symbol === 1) pen.rect(-0.9 * r, -0.9 * r, 1.8 * r, 1.8 * r);
  else if (symbol === 2) ring(4, 1.3);
  else if (symbol === 3) ring(3, 1.25);
  else if (symbol === 4) ring(3, 1.25, 1.25, Math.PI);
  else if (symbol === 5) arms(Math.PI / 4);
  else if (symbol === 6) arms(0);
  else if (symbol === 7) ring(5, 1.35, 0.6);
  else if (symbol === 8) ring(6, 1.06);
  else if (symbol === 9) ring(5, 1.09);
  else if (symbol === 10) ring(3, 1.25, 1.25, -Math.PI / 2);
  else if (symbol === 11) ring(3, 1.25, 1.25, Math.PI / 2);
  else if (symbol === 12) ring(6, 1.3, 0.72);
  else pen.arc(0, 0, r, 0, 2 * Math.PI);
}
