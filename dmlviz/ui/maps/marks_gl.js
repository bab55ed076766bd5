// Marks on the GPU: one WebGL2 canvas, one viewport per pane. Symbols are signed distances, so they are smooth at every size.

const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "x", "cross", "star", "hexagon", "pentagon", "triangle-left",
  "triangle-right", "hexagram"];
const KIND = { other: 0, validation: 1, test: 2, support: 3, wrong: 4 };
const NONE = 255; // a symbol we do not know is drawn as a circle
const SUPPORT_RING = 1.2;

// Signed distances of the symbols in units of the mark's radius, below 0 inside, and how far each goes beyond the radius along an axis.
const ROUND = ["length(p) - 1.0", 1];
const SHAPES = {
  0: ROUND,
  1: ["max(abs(p.x), abs(p.y)) - 0.9", 0.9],
  2: ["(abs(p.x) + abs(p.y) - 1.3) * 0.70711", 1.3],
  3: ["sides(p - vec2(0.0, -0.15), 3.0, 0.66)", 1.25],
  4: ["sides(vec2(p.x, -p.y) - vec2(0.0, -0.15), 3.0, 0.66)", 1.25],
  5: ["arms(mat2(0.70711, 0.70711, -0.70711, 0.70711) * p, 0.36)", 1.05],
  6: ["arms(p, 0.36)", 1.05],
  7: ["star(p, 5.0, 1.35, 0.6)", 1.35],
  8: ["sides(p, 6.0, 0.92)", 1.07],
  9: ["sides(p, 5.0, 0.88)", 1.1],
  10: ["sides(vec2(p.y, -p.x) - vec2(0.0, -0.15), 3.0, 0.66)", 1.25],
  11: ["sides(vec2(p.y, p.x) - vec2(0.0, -0.15), 3.0, 0.66)", 1.25],
  12: ["star(p, 6.0, 1.3, 0.72)", 1.3],
  [NONE]: ROUND,
};
const REACH = 1.35; // the farthest of them

// Both shaders for marks of one kind. Only what these marks need is in them: drawn by software, every line is paid for in every pixel.
function shaders({ kind, picked, symbols, edges }) {
  const support = kind === KIND.support, drawn = support ? [2] : symbols, ringed = support || picked, hollow = kind === KIND.validation;
  const reach = Math.max(...drawn.map(symbol => SHAPES[symbol][1])), crossed = support && symbols.includes(5);
  const several = crossed || drawn.length > 1;
  const shared = way => `flat ${way} vec4 fill; flat ${way} vec3 radii; ${edges ? `flat ${way} vec4 edge;` : ""} ${ringed ? `flat ${way} vec4 line;` : ""}
    ${several ? `flat ${way} uint shape;` : ""}`;
  const vertex = `#version 300 es
precision highp float;
in float x0; in float x1; in float y0; in float y1; in uint color; in uint symbol; in uint picked;
uniform float moment;        // 0 to 1 between two moments
uniform vec3 view;           // left, bottom, span, as shares of the window
uniform float ratio;         // device pixels per CSS pixel
uniform vec2 size;           // radius of a mark in CSS pixels, of one in the grey of other classes
uniform float opacity;
uniform vec2 ring;           // width in CSS pixels, opacity
uniform float layer;         // -1: every mark, 0: the unselected ones, 1: the selected ones
uniform sampler2D palette;   // upper half: fills, lower half: edges, whose alpha 0 marks the grey of other classes
uniform int rows;
uniform vec3 ink; uniform vec3 muted;
${shared("out")}
void main() {
  vec2 place = (mix(vec2(x0, y0), vec2(x1, y1), moment) - view.xy) / view.z * 2.0 - 1.0;
  bool wanted = layer < 0.0 || float(picked) == layer;
  if (!wanted || !(max(abs(place.x), abs(place.y)) < 1.2)) { gl_Position = vec4(2.0, 2.0, 0.0, 1.0); gl_PointSize = 1.0; return; } // NaN too
  ivec2 at = ivec2(int(color) & 255, int(color) >> 8);
  fill = vec4(texelFetch(palette, at, 0).rgb, opacity);
  float radius = size.x;
${edges || support ? "  vec4 second = texelFetch(palette, at + ivec2(0, rows), 0);" : ""}
${edges ? "  edge = vec4(second.rgb, opacity);" : ""}
${support ? "  bool grey = second.a < 0.5; if (grey) radius = size.y;" : ""}
${ringed ? `  line = vec4(${support ? "grey ? muted : ink" : "ink"}, ring.y);` : ""}
${several ? "  shape = symbol;" : ""}
  float reach = radius * ${reach.toFixed(2)} + ${ringed ? "ring.x + " : hollow ? "0.7 + " : ""}0.6 / ratio;
  radii = vec3(radius, reach, ring.x) * ratio;
  gl_Position = vec4(place, 0.0, 1.0);
  gl_PointSize = 2.0 * reach * ratio;
}`;
  const cases = drawn.slice(1).map(symbol => `  if (shape == ${symbol}u) return ${SHAPES[symbol][0]};`).join("\n");
  const fragment = `#version 300 es
precision highp float;
uniform float ratio;
${shared("in")}
out vec4 result;
float arms(vec2 p, float width) { p = abs(p); p = p.y > p.x ? p.yx : p; return max(p.x - 1.05, p.y - width); }
float sides(vec2 p, float n, float inner) {           // a regular polygon with a corner at the top
  float step = 6.2831853 / n, angle = atan(p.x, p.y);
  return cos(mod(angle, step) - step * 0.5) * length(p) - inner;
}
float star(vec2 p, float n, float outer, float inner) {
  float step = 6.2831853 / n, angle = abs(mod(atan(p.x, p.y) + step * 0.5, step) - step * 0.5);
  vec2 q = length(p) * vec2(sin(angle), cos(angle)), a = vec2(0.0, outer), b = inner * vec2(sin(step * 0.5), cos(step * 0.5));
  vec2 along = b - a;
  return ((q.y - a.y) * along.x - (q.x - a.x) * along.y) / length(along);
}
float distanceOf(vec2 p) {
${cases}
  return ${SHAPES[drawn[0]][0]};
}
vec4 over(vec4 top, vec4 below) { return top + below * (1.0 - top.a); }
vec4 tint(vec4 c, float cover) { float a = c.a * clamp(cover, 0.0, 1.0); return vec4(c.rgb * a, a); }
void main() {
  vec2 p = (gl_PointCoord * 2.0 - 1.0) * vec2(1.0, -1.0) * radii.y / radii.x;
  float d = distanceOf(p) * radii.x;                       // in device pixels
${hollow ? `  float half_ = ${picked ? "1.0" : "0.6"} * ratio; result = tint(fill, 0.5 - (abs(d + half_) - half_));`
    : `  result = tint(${edges ? "mix(fill, edge, clamp(0.5 + d + 0.7 * ratio, 0.0, 1.0))" : "fill"}, 0.5 - d);`}
${crossed ? `  if (shape == 5u) { vec2 q = p * 1.6; result = over(tint(line, 0.5 - (${SHAPES[5][0].replace("* p,", "* q,")}) * radii.x / 1.6), result); }` : ""}
${ringed ? "  float wide = radii.z * 0.5; result = over(tint(line, 0.5 - (abs(d - wide) - wide)), result);" : ""}
}`;
  return [vertex, fragment];
}

class GlMarks {
  // Throws when the canvas has no WebGL2.
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, premultipliedAlpha: true, powerPreference: "high-performance" });
    if (!this.gl) throw new Error("no WebGL2");
    this.build();
  }

  build() {
    const gl = this.gl;
    this.programs = new Map();
    this.texture = gl.createTexture();
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.buffers = new Map();
    this.picked = [];
  }

  // The program for these marks, made when it is first wanted.
  program(want) {
    const key = JSON.stringify(want), gl = this.gl;
    if (this.programs.has(key)) return this.programs.get(key);
    const program = gl.createProgram();
    shaders(want).forEach((source, i) => {
      const shader = gl.createShader(i ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    });
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`shaders: ${gl.getAttachedShaders(program).map(shader => gl.getShaderInfoLog(shader)).join(" ")}${gl.getProgramInfoLog(program)}`);
    }
    const inputs = Object.fromEntries(["x0", "x1", "y0", "y1", "color", "symbol", "picked"].map(name => [name, gl.getAttribLocation(program, name)]));
    const knobs = Object.fromEntries(["moment", "view", "ratio", "size", "opacity", "ring", "layer", "palette", "rows", "ink", "muted"]
      .map(name => [name, gl.getUniformLocation(program, name)]));
    this.programs.set(key, { program, inputs, knobs });
    return this.programs.get(key);
  }

  // The same array goes to the GPU once, whichever panes share it.
  buffer(array) {
    const gl = this.gl;
    if (!this.buffers.has(array)) {
      const made = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, made);
      gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
      this.buffers.set(array, made);
    }
    return this.buffers.get(array);
  }

  setPoints(panes) {
    const gl = this.gl, kept = new Set(panes.flatMap(pane => [pane.x, pane.y, pane.color, pane.symbol]));
    for (const [array, made] of this.buffers) if (!kept.has(array)) { gl.deleteBuffer(made); this.buffers.delete(array); }
    for (const made of this.picked) gl.deleteBuffer(made);
    this.picked = panes.map(() => gl.createBuffer());
    this.panes = panes;
    for (const array of kept) this.buffer(array);
    this.setPicked(panes.map(pane => new Uint8Array(pane.n)));
  }

  setPicked(states) {
    const gl = this.gl;
    states.forEach((state, i) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.picked[i]);
      gl.bufferData(gl.ARRAY_BUFFER, state, gl.DYNAMIC_DRAW);
    });
  }

  // `look`: fills and edges as "#rrggbb" lists, greys as booleans, ink and muted.
  setColors(look) {
    const gl = this.gl, rows = Math.max(1, Math.ceil(look.fills.length / 256)), pixels = new Uint8Array(256 * rows * 2 * 4);
    look.fills.forEach((color, i) => pixels.set([...channels(color), 255], 4 * i));
    look.edges.forEach((color, i) => pixels.set([...channels(color), look.greys[i] ? 0 : 255], 4 * (256 * rows + i)));
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 2 * rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
    this.look = { ...look, rows, edged: look.edges.some((color, i) => color !== look.fills[i]) };
  }

  // `boxes`: each pane's square in CSS pixels of the canvas; `moment`: {from, to, share}; `picking`: how many texts are selected, null without a
  // selection.
  draw(boxes, scene) {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.panes || !this.look) return;
    gl.enable(gl.SCISSOR_TEST);
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    this.panes.forEach((pane, i) => pane.n && boxes[i] && this.drawPane(pane, i, boxes[i], scene));
  }

  drawPane(pane, i, box, scene) {
    const gl = this.gl, { ratio, view, picking } = scene, sizes = sizesOf(pane, view, picking);
    const area = [box.x, this.canvas.height / ratio - box.y - box.side, box.side, box.side].map(v => Math.round(v * ratio));
    gl.viewport(...area);
    gl.scissor(...area);
    for (const layer of picking === null ? [-1] : [0, 1]) {
      for (const run of pane.runs) this.drawRun(pane, i, run, { ...scene, layer, mark: markOf(run.kind, sizes, layer, pane.crowded) });
    }
  }

  // Marks of one kind, which lie one after the other.
  drawRun(pane, i, { kind, from, count, symbols }, { view, ratio, moment, layer, mark }) {
    const gl = this.gl, edges = this.look.edged && (kind === KIND.test || kind === KIND.wrong);
    const { program, inputs, knobs } = this.program({ kind: likeTest(kind), picked: layer === 1, symbols, edges });
    gl.useProgram(program);
    const bind = (name, made, size, type, start) => {
      if (inputs[name] < 0) return;
      gl.bindBuffer(gl.ARRAY_BUFFER, made);
      gl.enableVertexAttribArray(inputs[name]);
      if (type === gl.FLOAT) gl.vertexAttribPointer(inputs[name], 1, type, false, 0, start * size);
      else gl.vertexAttribIPointer(inputs[name], 1, type, 0, start * size);
    };
    bind("x0", this.buffer(pane.x), 4, gl.FLOAT, pane.n * moment.from + from);
    bind("x1", this.buffer(pane.x), 4, gl.FLOAT, pane.n * moment.to + from);
    bind("y0", this.buffer(pane.y), 4, gl.FLOAT, pane.n * moment.from + from);
    bind("y1", this.buffer(pane.y), 4, gl.FLOAT, pane.n * moment.to + from);
    bind("color", this.buffer(pane.color), 2, gl.UNSIGNED_SHORT, from);
    bind("symbol", this.buffer(pane.symbol), 1, gl.UNSIGNED_BYTE, from);
    bind("picked", this.picked[i], 1, gl.UNSIGNED_BYTE, from);
    gl.uniform1i(knobs.palette, 0);
    gl.uniform1i(knobs.rows, this.look.rows);
    gl.uniform3f(knobs.ink, ...channels(this.look.ink).map(c => c / 255));
    gl.uniform3f(knobs.muted, ...channels(this.look.muted).map(c => c / 255));
    gl.uniform1f(knobs.moment, moment.share);
    gl.uniform3f(knobs.view, view.left, view.bottom, view.span);
    gl.uniform1f(knobs.ratio, ratio);
    gl.uniform1f(knobs.layer, layer);
    gl.uniform2f(knobs.size, mark.radius, mark.greyRadius);
    gl.uniform1f(knobs.opacity, mark.opacity);
    gl.uniform2f(knobs.ring, mark.ring, mark.ringOpacity);
    gl.drawArrays(gl.POINTS, 0, count);
  }

  // Waits for the GPU: for measuring only.
  finish() { this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4)); }

  end() { this.gl.getExtension("WEBGL_lose_context")?.loseContext(); }
}

function channels(color) { return [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16)); }

// Test marks, grey ones and crosses differ by their symbol, size and colour alone.
function likeTest(kind) { return kind === KIND.validation || kind === KIND.support ? kind : KIND.test; }

// Radii in CSS pixels and opacities of a pane; marks grow a little as one zooms in.
function sizesOf(pane, view, picking) {
  const grow = Math.min(2, view.span ** -0.25), few = pane.n <= 600;
  const opacity = Math.min(0.95, pane.opacity * grow + (pane.dark ? 0.1 : 0));
  return {
    test: (few ? 3 : 2.1) * grow, support: (pane.supports <= 80 ? 4.5 : 3.5) * grow, greySupport: 2.5 * grow, opacity,
    dim: Math.min(0.15, 0.22 * opacity),
    ...(picking <= 60 ? { chosen: 3.2, ring: 1.2, ringOpacity: 1 } : { chosen: 2.2, ring: 0.8, ringOpacity: 0.6 }), // many rings would hide the colours
  };
}

// How a mark of this kind is drawn; `layer`: -1 without a selection, 0 not selected, 1 selected; `crowded`: so many are wrong that large crosses would
// hide what is right.
function markOf(kind, sizes, layer, crowded) {
  const support = kind === KIND.support, plain = kind === KIND.test || kind === KIND.other;
  let radius = support ? sizes.support : sizes.test + (plain ? 0 : crowded && kind === KIND.wrong ? 0.3 : 1), greyRadius = support ? sizes.greySupport : radius;
  let opacity = Math.min(0.9, Math.max(0.5, 1.5 * sizes.opacity));
  if (support) opacity = 1; else if (kind === KIND.validation) opacity = 0.9; else if (plain || crowded) opacity = sizes.opacity;
  let ring = support ? SUPPORT_RING : 0, ringOpacity = 1;
  if (layer === 0) { opacity = support ? Math.max(sizes.dim, 0.12) : sizes.dim; ringOpacity = opacity; }
  if (layer === 1) {
    [radius, greyRadius] = [radius, greyRadius].map(size => Math.max(size + 0.3, sizes.chosen));
    [opacity, ring, ringOpacity] = [1, Math.max(ring, sizes.ring), support ? 1 : sizes.ringOpacity];
  }
  return { radius, greyRadius, opacity, ring, ringOpacity };
}
