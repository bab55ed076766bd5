// Points as the server sends them, and the geometry that both sides share.

function unpack(bytes) {
  const copy = bytes.byteOffset % 8 ? bytes.slice() : bytes; // typed arrays want their places aligned
  const start = new DataView(copy.buffer, copy.byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(copy.subarray(4, start)));
  const types = { f4: Float32Array, u4: Uint32Array, i4: Int32Array, u2: Uint16Array, u1: Uint8Array };
  header.arrays = header.arrays.map(({ at, length, type }) => new types[type](copy.buffer, copy.byteOffset + start + at, length));
  return header;
}

const FIELDS = ["x", "y", "color", "symbol", "kind", "label", "prediction", "confidence", "value", "slot"];

function readPoints(header) {
  const rows = header.arrays[header.rows]; // sorted row ids; a "slot" is a place in it
  const panes = header.panes.map(pane => {
    const own = Object.fromEntries(FIELDS.map(name => [name, header.arrays[pane[name]]]));
    const index = new Int32Array(rows.length).fill(-1);
    own.slot.forEach((slot, i) => { index[slot] = i; });
    const symbols = own.symbol.map(code => { const place = SYMBOLS.indexOf(header.symbols[code]); return place < 0 ? NONE : place; });
    const n = own.slot.length, runs = runsOf(own.kind, symbols), countOf = kind => runs.find(run => run.kind === kind)?.count ?? 0;
    return {
      ...own, n, runs, index, symbol: symbols, moments: n ? own.x.length / n : 1, opacity: pane.opacity, supports: countOf(KIND.support),
      crowded: countOf(KIND.wrong) > 300,
    };
  });
  shareSymbols(panes);
  return { ...header, rows, panes };
}

// Marks come kind by kind: where each kind's run lies, and its symbols.
function runsOf(kinds, symbols) {
  const runs = [];
  for (let i = 0; i < kinds.length; i++) {
    if (runs.at(-1)?.kind !== kinds[i]) runs.push({ kind: kinds[i], from: i, count: 0, symbols: new Set() });
    runs.at(-1).count++;
    runs.at(-1).symbols.add(symbols[i]);
  }
  return runs.map(run => ({ ...run, symbols: [...run.symbols].sort((a, b) => a - b) }));
}

// Panes with the same symbols share one array again, so that it is uploaded once.
function shareSymbols(panes) {
  for (const pane of panes.slice(1)) if (pane.n === panes[0].n && pane.symbol.every((code, i) => code === panes[0].symbol[i])) pane.symbol = panes[0].symbol;
}

function readTexts(header) {
  const [ends, bytes] = header.arrays, decoder = new TextDecoder();
  return { hash: header.hash, of: slot => decoder.decode(bytes.subarray(slot ? ends[slot - 1] : 0, ends[slot])) };
}

// The geometry of figures/map_marks.py.

function placeOf(pane, i, { from, to, share }) {
  const a = pane.n * from + i, b = pane.n * to + i;
  return from === to ? [pane.x[a], pane.y[a]] : [pane.x[a] + (pane.x[b] - pane.x[a]) * share, pane.y[a] + (pane.y[b] - pane.y[a]) * share];
}

function inside(x, y, corners) {
  let odd = false;
  for (let i = 0; i < corners.length; i++) {
    const [x0, y0] = corners[i], [x1, y1] = corners[(i + 1) % corners.length];
    if ((y0 <= y) !== (y1 <= y) && x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)) odd = !odd;
  }
  return odd;
}

function indicesInside(pane, moment, corners) {
  const xs = corners.map(c => c[0]), ys = corners.map(c => c[1]), found = [];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (let i = 0; i < pane.n; i++) {
    const [x, y] = placeOf(pane, i, moment);
    if (x >= left && x <= right && y >= low && y <= high && inside(x, y, corners)) found.push(i);
  }
  return found;
}

function nearestTo(pane, [u, v], moment) {
  let best = Infinity, index = 0;
  for (let i = 0; i < pane.n; i++) {
    const far = (pane.x[moment * pane.n + i] - u) ** 2 + (pane.y[moment * pane.n + i] - v) ** 2;
    if (far < best) { best = far; index = i; }
  }
  return index;
}

// A selection made on other points: the same row ids, where they still are.
function carriedOver(chosen, rows, newRows) {
  const ids = new Set();
  chosen.forEach((value, slot) => { if (value) ids.add(rows[slot]); });
  const result = Uint8Array.from(newRows, row => Number(ids.has(row)));
  return result.some(Boolean) ? result : null;
}
