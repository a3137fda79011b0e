// The attention explorer in the page: everything that is drawn and computed without the kernel.
// The model holds `data` (fixed) and the settings; whoever changes a setting, page or kernel, it is drawn from there.

import {
  ARROWS, SmallMaps, View, best, button, bytes, checkbox, clamp, figure, fresh, hatching, hidden, make, minus, percent,
  plainKey, plural, radios, resize, setText, within,
} from "./kit.js";

const SETTINGS = ["layer", "head", "selected", "direction", "temperature", "scale", "mask_on", "show", "stretch"];
const PLAIN = { direction: "looks at", temperature: 1, scale: true, mask_on: true, show: "weights", stretch: false };
const HINT = "Point at a token or at a row of the map to see where it looks. A click holds it, Escape lets it go.";

// Viridis: read without color, too, since it only gets brighter.
const STOPS = [
  "440154", "48186a", "472d7b", "424086", "3b528b", "33638d", "2c728e", "26828e", "21918c",
  "1f9f88", "27ad81", "3dbc74", "5cc863", "81d34d", "aadc32", "d5e21a", "fde725",
].map((hex) => [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16)));
const COLORS = Array.from({ length: 256 }, (_, n) => {
  const at = (n / 255) * (STOPS.length - 1);
  const k = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[k].map((c, i) => Math.round(c + (at - k) * (STOPS[k + 1][i] - c)));
});
const CSS_COLORS = COLORS.map((c) => `rgb(${c.join(",")})`);
// The text on a color: black or white, whichever stands out more.
const DARK = COLORS.map((c) => {
  const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.179;
});
const shade = (unit) => Math.round(255 * clamp(unit, 0, 1));

// ---- numbers

// Return the scores (L * H * T * S) and the mask (T * S, 1 = may look, or null): `encode` of the Python file, undone.
export function decode(data) {
  const [, , T, S] = data.shape;
  const packed = bytes(data.codes);
  const codes = data.bits === 16 ? new Uint16Array(packed.buffer) : packed;
  const rows = new Float32Array(bytes(data.rows).buffer); // of each row: the largest score, the span
  const levels = 2 ** data.bits - 1;
  const scores = Float64Array.from(codes, (code, n) => {
    const row = Math.floor(n / S);
    return rows[2 * row] - rows[2 * row + 1] * (code / levels) * (code / levels);
  });
  const bits = data.mask === null ? null : bytes(data.mask);
  const mask = bits && Uint8Array.from({ length: T * S }, (_, n) => (bits[n >> 3] >> (n & 7)) & 1);
  return { scores, mask };
}

// Return the softmax of factor * scores over the keys that may be seen; the others get 0.
export function weigh(scores, T, S, mask, factor) {
  const weights = new Float64Array(scores.length);
  for (let start = 0; start < scores.length; start += S) {
    const seen = (start / S) % T * S; // where the row's mask begins
    let top = -Infinity;
    for (let k = 0; k < S; k++) {
      if (mask === null || mask[seen + k]) top = Math.max(top, scores[start + k] * factor);
    }
    let sum = 0;
    for (let k = 0; k < S; k++) {
      if (mask === null || mask[seen + k]) sum += weights[start + k] = Math.exp(scores[start + k] * factor - top);
    }
    for (let k = 0; k < S; k++) weights[start + k] /= sum;
  }
  return weights;
}

const NOWHERE = { q: null, k: null };
const repeated = (list) => new Set(list.filter((text, n) => list.indexOf(text) !== n));
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// Cut a name so that it fits into so many pixels.
function fitted(pen, text, most) {
  if (pen.measureText(text).width <= most) return text;
  let end = text.length;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > most) end--;
  return `${text.slice(0, end)}…`;
}

// Scroll a token of a long strip into view, without moving the page.
function reveal(token) {
  const strip = token.parentElement;
  if (strip.scrollHeight <= strip.clientHeight) return;
  const [inner, outer] = [token.getBoundingClientRect(), strip.getBoundingClientRect()];
  const scale = strip.offsetHeight / outer.height; // of slides
  if (inner.top < outer.top) strip.scrollTop -= (outer.top - inner.top) * scale;
  else if (inner.bottom > outer.bottom) strip.scrollTop += (inner.bottom - outer.bottom) * scale;
}

// ---- the view

class Explorer extends View {
  constructor(model) {
    super(model, "lec-explorer", SETTINGS);
    [this.L, this.H, this.T, this.S] = this.data.shape;
    this.queries = this.data.queries;
    this.cross = this.data.keys !== null;
    this.keys = this.data.keys ?? this.queries;
    Object.assign(this, decode(this.data));
    this.doubles = new Map([this.queries, this.keys].map((list) => [list, repeated(list)]));
    this.pointer = null; // the cell under the pointer: {q, k}, each a number or null
    this.overStrip = false;
    this.marked = null; // the cell that the keyboard has reached, while the focus is here
    this.built = null; // the direction for which the strips were built
    // Another theme: the canvas takes its colors again. That the color of the text changes is told, in any host, by
    // the tiny transition of an empty span; it may be cut off, since JupyterLab hides everything meanwhile.
    const recolored = () => setTimeout(() => this.draw("hover"), 20);
    this.probe = hidden("span", { class: "probe", transitionend: recolored, transitioncancel: recolored });
    const body = make("div", { class: "body" }, this.buildHeads(), this.buildView(), this.buildPanel());
    this.root.append(this.buildControls(), body, this.probe);
  }

  get byColumn() {
    return this.get("direction") === "looked at by";
  }

  // The list of tokens that can be chosen, and the one that is looked at (or looks).
  get lists() {
    return this.byColumn ? [this.keys, this.queries] : [this.queries, this.keys];
  }

  // The cell of a token that is chosen, and of one of the others; and of a cell the token that can be chosen.
  cellOf(chosen, other = null) {
    return this.byColumn ? { q: other, k: chosen } : { q: chosen, k: other };
  }

  chosenIn({ q, k }) {
    return this.byColumn ? k : q;
  }

  get cursor() {
    return this.pointer ?? this.marked ?? NOWHERE;
  }

  get active() {
    return this.get("selected") ?? this.chosenIn(this.cursor);
  }

  // The cell that is shown: what is held, and across it what is pointed at.
  get shown() {
    return { ...this.cursor, ...(this.byColumn ? { k: this.active } : { q: this.active }) };
  }

  // The mask, where it is on and hides something.
  get hides() {
    return this.get("mask_on") ? this.mask : null;
  }

  masked({ q, k }) {
    return this.hides !== null && !this.hides[q * this.S + k];
  }

  get chosenMap() {
    return this.get("layer") * this.H + this.get("head");
  }

  // The number of a cell of the map, counted through all heads.
  number({ q, k }) {
    return (this.chosenMap * this.T + q) * this.S + k;
  }

  nameOfMap(n) {
    const head = `head ${(n % this.H) + this.data.first_head}`;
    return this.L > 1 ? `${this.data.layers[Math.floor(n / this.H)]}, ${head}` : head;
  }

  // ---- building, once

  buildControls() {
    this.temperature = make("input", { type: "range", min: 0.25, max: 4, step: 0.05,
      input: () => this.set({ temperature: Number(this.temperature.value) }) });
    this.temperatureText = hidden("span", { class: "number" });
    this.switches = {};
    const add = (name, text) => {
      const { box, node } = checkbox(text, (on) => this.set({ [name]: on }));
      this.switches[name] = box;
      return node;
    };
    this.shows = radios({ weights: "weights", scores: "scores" }, "numbers of the map", (show) => this.set({ show }));
    const parts = [
      make("span", { class: "heat group" }, make("label", {}, "temperature", this.temperature), this.temperatureText),
      this.data.d_k !== null && add("scale", "divide by √dₖ"),
      this.mask !== null && add("mask_on", "mask"),
      this.shows.node,
      add("stretch", "stretch each row"),
      button("reset", () => this.reset()),
    ];
    return make("div", { class: "controls", role: "group", "aria-label": "settings" }, ...parts.filter(Boolean));
  }

  reset() {
    const { scale, ...others } = PLAIN;
    this.set({ ...others, ...(this.data.d_k === null ? {} : { scale }), selected: null });
  }

  buildHeads() {
    const { L, H, T, S } = this;
    const choose = (n) => this.set({ layer: Math.floor(n / H), head: n % H });
    this.heads = new SmallMaps("head", L > 1 ? "layer and head" : "head", choose);
    this.heads.node.hidden = L * H === 1;
    this.arrangeHeads(this.columns);
    const dense = L > 12; // many layers: as small as a finger can choose
    this.heads.node.classList.toggle("dense", dense);
    const several = clamp(Math.min(300 / H - 10, 420 / L), dense ? 18 : 26, 72);
    const most = L > 1 ? several : { 1: 110, 2: 96, 4: 64 }[this.columns];
    const [width, height] = [S, T].map((n) => Math.max(Math.round((n * most) / Math.max(T, S)), 12));
    this.headSize = width + 14; // with what stands around it
    const caption = (text, kind = "") => hidden("span", { class: `caption ${kind}`, text });
    const numbers = Array.from({ length: H }, (_, h) => h + this.data.first_head);
    if (L > 1) this.heads.node.append(...["head", ...numbers].map((each) => caption(each)));
    for (let n = 0; n < L * H; n++) {
      if (L > 1 && n % H === 0) this.heads.node.append(caption(this.data.layers[n / H], "layer"));
      const name = this.nameOfMap(n);
      this.heads.node.append(this.heads.add(name, ...(L > 1 ? [] : [hidden("span", { text: name })])));
      const { canvas } = this.heads.maps[n];
      Object.assign(canvas, { width: S, height: T });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
      if (T > height || S > width) canvas.style.imageRendering = "auto";
    }
    return this.heads.node;
  }

  // How many heads stand in a row: several layers have a row each.
  get columns() {
    const { L, H } = this;
    if (L > 1) return H;
    return H <= 3 ? 1 : H <= 8 ? 2 : 4;
  }

  arrangeHeads(across) {
    this.heads.across = across;
    this.heads.node.style.gridTemplateColumns = `repeat(${across + (this.L > 1)}, auto)`;
  }

  buildView() {
    this.base = make("canvas");
    this.over = make("canvas");
    this.image = make("canvas", { width: this.S, height: this.T });
    const at = (event) => this.cellAt(...within(this.map, event));
    this.map = make("div", {
      class: "map", tabindex: 0, role: "application", "aria-roledescription": "map",
      pointermove: (event) => this.point(at(event)),
      pointerleave: () => this.point(null),
      pointerdown: (event) => { this.marked = at(event); }, // the keys go on from here
      click: (event) => this.lock(this.chosenIn(at(event))),
      keydown: (event) => this.keyInMap(event),
      focus: () => this.mark(this.marked ?? this.cellOf(this.get("selected") ?? 0)),
      blur: () => this.mark(null),
    }, this.base, this.over);
    [this.low, this.high, this.unit] = ["low", "high", "unit"].map((name) => make("span", { class: name }));
    const bar = make("span", { class: "bar" });
    bar.style.background = `linear-gradient(to right, ${CSS_COLORS.filter((_, n) => n % 15 === 0).join(",")})`;
    this.legendMasked = make("span", { class: "masked" }, make("span", { class: "swatch" }), "masked");
    const legend = make("div", { class: "legend" }, this.low, bar, this.high, this.unit, this.legendMasked);
    return make("div", { class: "view" }, this.map, legend);
  }

  buildPanel() {
    const texts = { "looks at": "where a token looks", "looked at by": "who looks at it" };
    this.directions = radios(texts, "direction", (direction) =>
      this.set(this.cross ? { direction, selected: null } : { direction })); // a query's number is not a key's
    this.directions.node.classList.add("direction");
    this.strips = make("div");
    return make("div", { class: "panel" }, this.directions.node, this.strips, this.status);
  }

  // The sentence as text: one strip of tokens, or one of queries and one of keys. Built again when the direction turns.
  buildStrips() {
    const [choosable, others] = this.lists;
    const build = (list, title) => {
      const chosen = list === choosable;
      const option = chosen ? { role: "option", "aria-selected": "false", tabindex: -1 } : {};
      const tokens = list.map((text, n) => make("span", { class: "token", text, "data-n": n, ...option }));
      const role = chosen ? { role: "listbox", "aria-orientation": "horizontal", ...this.strip() } : { role: "group" };
      this.strips.append(hidden("div", { class: "caption", text: title }),
        make("div", { class: "strip", "aria-label": title, ...role }, ...tokens));
      if (chosen) this.tokens = tokens;
      if (list === others) this.targets = tokens;
    };
    this.strips.replaceChildren();
    if (this.cross) {
      build(this.queries, "queries (they look)");
      build(this.keys, "keys (they are looked at)");
    } else build(this.queries, "tokens");
    this.built = this.get("direction");
  }

  // What the strip of tokens that can be chosen listens to.
  strip() {
    const number = ({ target }) => (target.dataset.n === undefined ? null : Number(target.dataset.n));
    const over = (inside, event) => {
      this.overStrip = inside;
      this.point(inside && number(event) !== null ? this.cellOf(number(event)) : null);
    };
    return {
      pointerover: (event) => over(true, event),
      pointerleave: (event) => over(false, event),
      click: (event) => this.lock(number(event)),
      focusin: (event) => this.mark(this.cellOf(number(event))),
      focusout: () => this.mark(null),
      keydown: (event) => this.keyInStrip(event),
    };
  }

  // ---- what mouse and keys do

  changed(name) {
    if (["temperature", "scale", "mask_on"].includes(name)) this.draw("all");
    else this.draw(name === "selected" ? "hover" : "map");
  }

  keyInMap(event) {
    const key = plainKey(event);
    const held = this.get("selected");
    const from = { ...(this.marked ?? NOWHERE), ...(held === null ? {} : this.byColumn ? { k: held } : { q: held }) };
    const moved = (n, by, end) => (by === 0 ? n : n === null ? 0 : clamp(n + by, 0, end - 1));
    if (key in ARROWS) {
      const [down, right] = ARROWS[key];
      this.pass({ q: moved(from.q, down, this.T), k: moved(from.k, right, this.S) });
    } else if (key === "Home" || key === "End") {
      const to = key === "Home" ? 0 : this.lists[0].length - 1;
      this.pass(this.byColumn ? { ...from, k: to } : { ...from, q: to });
    } else if (key === "Enter" || key === " ") {
      this.lock(this.chosenIn(from));
    } else return;
    event.preventDefault();
  }

  keyInStrip(event) {
    const n = Number(event.target.dataset.n);
    const key = plainKey(event);
    const last = this.tokens.length - 1;
    if (key === "Enter" || key === " ") this.lock(n);
    else if (key in ARROWS || key === "Home" || key === "End") {
      const to = { Home: 0, End: last }[key] ?? clamp(n + ARROWS[key][0] + ARROWS[key][1], 0, last);
      this.pass(this.cellOf(to));
      this.tokens[to].focus();
    } else return;
    event.preventDefault();
  }

  // The keyboard has reached a cell; what is held moves along.
  pass(cell) {
    this.pointer = null;
    const [held, to] = [this.get("selected"), this.chosenIn(cell)];
    if (held !== null && to !== null && to !== held) this.set({ selected: to });
    this.mark(cell);
  }

  // ---- numbers that are drawn

  compute() {
    const { S } = this;
    this.factor = (this.get("scale") ? 1 : Math.sqrt(this.data.d_k)) / this.get("temperature");
    this.weights = weigh(this.scores, this.T, S, this.hides, this.factor);
    this.tops = Float64Array.from({ length: this.weights.length / S }, (_, row) =>
      this.weights.subarray(row * S, (row + 1) * S).reduce((a, b) => Math.max(a, b))); // of each row
  }

  // The number of a cell, n counted through all heads: as the view says, weight or score.
  value(n) {
    return this.get("show") === "weights" ? this.weights[n] : this.scores[n] * this.factor;
  }

  // The ends of the color scale of a map. Weights: from 0 to 1, or, stretched, to the largest of each row.
  rangeOf(map) {
    if (this.get("show") === "weights") return [0, 1];
    const size = this.T * this.S;
    let [low, high] = [Infinity, -Infinity];
    for (let n = 0; n < size; n++) {
      if (this.hides !== null && !this.hides[n]) continue;
      const value = this.value(map * size + n);
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return low < high ? [low, high] : [low - 1, high + 1];
  }

  get stretched() {
    return this.get("stretch") && this.get("show") === "weights";
  }

  // Where on the color scale a cell stands, from 0 to 1; n is counted through all heads.
  unitOf(n, [low, high]) {
    return (this.value(n) - low) / ((this.stretched ? this.tops[Math.floor(n / this.S)] : high) - low);
  }

  // ---- drawing

  paint(stale) {
    const style = getComputedStyle(this.root);
    if (style.color !== this.ink) stale.add("layout");
    if (stale.has("all")) this.compute();
    const anew = stale.has("all") || stale.has("map");
    if (anew || stale.has("layout")) {
      this.showSettings();
      this.range = this.rangeOf(this.chosenMap);
      this.layout(style);
      this.paintMap();
      this.paintLegend();
    }
    if (anew && !this.heads.node.hidden) {
      this.heads.maps.forEach(({ canvas }, map) => this.paintImage(canvas, map, this.rangeOf(map)));
    }
    this.paintHover();
    this.paintStrips();
    setText(this.status, this.sentence());
  }

  showSettings() {
    const temperature = this.get("temperature");
    if (Number(this.temperature.value) !== temperature) this.temperature.value = temperature;
    setText(this.temperatureText, temperature.toFixed(2));
    this.temperature.setAttribute("aria-valuetext", temperature.toFixed(2));
    for (const [name, box] of Object.entries(this.switches)) box.checked = this.get(name);
    this.switches.stretch.disabled = this.get("show") === "scores"; // their colors always reach from end to end
    this.shows.show(this.get("show"));
    this.directions.show(this.get("direction"));
    this.heads.show(this.chosenMap);
    if (this.built !== this.get("direction")) this.buildStrips();
    this.map.setAttribute("aria-label", `attention${this.place && ` of ${this.place}`}, ${plural(this.T, "row")} by `
      + `${plural(this.S, "column")}; the arrow keys move through it, Enter holds a token`);
  }

  get place() {
    return this.heads.node.hidden ? "" : this.nameOfMap(this.chosenMap);
  }

  // Where everything stands on the map, in pixels of the page.
  layout(style) {
    const { T, S, ratio } = this;
    this.ink = style.color;
    const size = this.fontSize = Math.max(14, Math.round(parseFloat(style.fontSize) * 0.9));
    const pen = this.base.getContext("2d");
    this.font = pen.font = `${size}px ${style.fontFamily}`;
    const line = size + 6;
    const many = Math.max(T, S) > 40;
    const width = (text) => pen.measureText(text).width;
    [this.rowNames, this.columnNames] = [this.queries, this.keys].map((list) =>
      list.map((text) => fitted(pen, text, (many ? 5 : 7) * size)));
    const keyWidths = this.columnNames.map(width);
    const keyWidth = Math.max(...keyWidths);
    const left = line + Math.max(...this.rowNames.map(width)) + 10;
    // what slanted names need to the right of the map
    const lean = many || keyWidth < 1.3 * size ? 0 : Math.max(...keyWidths.slice(-3)) / 2;
    const [cell, room] = this.arrange((wide) => {
      // whole pixels of the screen, so that all cells are equal
      const pixels = Math.floor(Math.min(600 / T, (wide - left - lean - 8) / S, 46) * ratio);
      return Math.max(pixels, 1) / ratio;
    });
    this.labelled = cell >= size - 1;
    const slant = keyWidth <= cell - 2 ? 0 : cell >= 1.3 * size ? -Math.PI / 3 : -Math.PI / 2;
    const leaning = this.labelled && slant !== 0;
    const above = leaning ? Math.ceil(keyWidth * -Math.sin(slant) + size * Math.cos(slant)) : size;
    const top = line + above + 8;
    const ends = leaning ? keyWidths.map((w, k) => (k + 0.5) * cell + w * Math.cos(slant) + size / 2) : [];
    const right = Math.max(S * cell, this.labelled ? 0 : keyWidth, width("keys: looked at →"), ...ends);
    const [x, y] = [left, top].map((n) => Math.round(n * ratio) / ratio);
    this.grid = { left: x, top: y, cell, slant, line };
    this.map.dataset.grid = JSON.stringify(this.grid); // for whoever wants to point at a cell, as the tests do
    this.width = Math.min(Math.ceil(left + right) + 6, Math.max(room, 40));
    for (const canvas of [this.base, this.over]) resize(canvas, this.width, Math.ceil(top + T * cell) + 6, ratio);
    this.map.style.width = `${this.width}px`;
    this.root.style.setProperty("--lec-ring", this.ink);
  }

  // Decide what stands beside what, so that the map stays large; return the size of its cells and the room for it.
  arrange(cellIn) {
    const { whole } = this;
    if (this.heads.across !== this.columns) this.arrangeHeads(this.columns);
    const beside = whole - (this.heads.node.hidden ? 0 : this.heads.node.offsetWidth + 20);
    const cells = { wide: cellIn(beside - 320), stacked: cellIn(beside), narrow: cellIn(whole) };
    let layout = "narrow";
    if (beside >= 700 && cells.wide >= Math.min(0.7 * cells.stacked, 22)) layout = "wide";
    else if (beside >= 360 && cells.stacked >= 0.7 * cells.narrow) layout = "stacked";
    this.root.dataset.layout = layout;
    if (layout === "narrow" && this.L === 1) {
      this.arrangeHeads(clamp(Math.floor(whole / (this.headSize + 6)), 1, this.H));
    }
    return [cells[layout], layout === "narrow" ? whole : beside];
  }

  // The cell under a point of the map; beside the cells, where the names stand, only its row or its column.
  cellAt(x, y) {
    const { left, top, cell } = this.grid;
    const [q, k] = [Math.floor((y - top) / cell), Math.floor((x - left) / cell)];
    const [row, column] = [q >= 0 && q < this.T, k >= 0 && k < this.S];
    return { q: row && (column || x < left) ? q : null, k: column && (row || y < top) ? k : null };
  }

  paintImage(canvas, map, range) {
    const { T, S, hides } = this;
    const context = canvas.getContext("2d");
    const image = context.createImageData(S, T);
    for (let n = 0; n < T * S; n++) {
      if (hides !== null && !hides[n]) continue; // transparent: the hatching behind is seen
      image.data.set([...COLORS[shade(this.unitOf(map * T * S + n, range))], 255], 4 * n);
    }
    context.putImageData(image, 0, 0);
  }

  pen(canvas) {
    const { font, ink } = this;
    const style = { font, fillStyle: ink, strokeStyle: ink, textBaseline: "middle", textAlign: "left" };
    return Object.assign(fresh(canvas, this.ratio), style);
  }

  paintMap() {
    const { left, top, cell, line } = this.grid;
    const [wide, high] = [this.S * cell, this.T * cell];
    const pen = this.pen(this.base);
    if (this.hides !== null) {
      pen.fillStyle = hatching(this.ink, 0.45);
      pen.fillRect(left, top, wide, high);
      pen.fillStyle = this.ink;
    }
    this.paintImage(this.image, this.chosenMap, this.range);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.image, left, top, wide, high);
    pen.globalAlpha = 0.5;
    pen.strokeRect(left - 0.5, top - 0.5, wide + 1, high + 1);
    pen.globalAlpha = 1;
    pen.fillText("keys: looked at →", left, line / 2);
    pen.save();
    pen.translate(line / 2, top + high);
    pen.rotate(-Math.PI / 2);
    const title = "← queries: look";
    if (pen.measureText(title).width <= high + top) pen.fillText(title, 0, 0);
    pen.restore();
    if (!this.labelled) return;
    this.rowNames.forEach((_, q) => this.nameRow(pen, q));
    this.columnNames.forEach((_, k) => this.nameColumn(pen, k));
  }

  nameRow(pen, q) {
    const { left, top, cell } = this.grid;
    pen.textAlign = "right";
    pen.fillText(this.rowNames[q], left - 6, top + (q + 0.5) * cell);
  }

  nameColumn(pen, k) {
    const { left, top, cell, slant } = this.grid;
    pen.save();
    pen.translate(left + (k + 0.5) * cell, top - 4);
    pen.rotate(slant);
    pen.textAlign = slant === 0 ? "center" : "left";
    const [x, y] = slant === 0 ? [0, -this.fontSize / 2] : slant > -1.5 ? [3, -1] : [2, 0];
    pen.fillText(this.columnNames[k], x, y);
    pen.restore();
  }

  paintLegend() {
    const scores = this.get("show") === "scores";
    const [low, high] = this.range.map((end) => minus(end.toFixed(scores ? 1 : 0)));
    setText(this.low, low);
    setText(this.high, this.stretched ? "largest weight of the row" : high);
    setText(this.unit, this.stretched ? "" : scores ? "score" : "weight");
    this.legendMasked.hidden = this.hides === null || this.hides.every(Boolean);
  }

  // Frames around what is shown, on a canvas of their own, and the names of its row and column.
  paintHover() {
    const pen = this.pen(this.over);
    const { left, top, cell } = this.grid;
    const { q, k } = this.shown;
    const frame = (x, y, w, h, wide) => {
      for (const [color, width] of [["#000", wide + 2], ["#fff", wide]]) {
        Object.assign(pen, { strokeStyle: color, lineWidth: width });
        pen.strokeRect(x - wide / 2, y - wide / 2, w + wide, h + wide);
      }
    };
    const width = this.get("selected") === null ? 2 : 3;
    const [x, y] = [left + k * cell, top + q * cell];
    if (this.byColumn && k !== null) frame(x, top, cell, this.T * cell, width);
    if (!this.byColumn && q !== null) frame(left, y, this.S * cell, cell, width);
    if (q !== null && k !== null) frame(x, y, cell, cell, 2);
    if (q !== null) {
      if (this.labelled) pen.fillRect(left - 4.5, y, 3, cell);
      else this.nameRow(pen, q);
    }
    if (k === null) return;
    if (this.labelled) {
      pen.fillRect(x, top - 4.5, cell, 3);
      return;
    }
    const half = pen.measureText(this.columnNames[k]).width / 2;
    pen.textAlign = "center";
    const middle = Math.min(Math.max(x + cell / 2, left + half), this.width - half - 2);
    pen.fillText(this.columnNames[k], middle, top - 6 - this.fontSize / 2);
  }

  paintStrips() {
    const { active } = this;
    const locked = this.get("selected") !== null;
    this.targets.forEach((span, n) => {
      const cell = this.cellOf(active, n);
      const masked = active !== null && this.masked(cell);
      span.className = masked ? "token masked" : "token";
      span.style.cssText = active === null || masked ? "" : this.look(this.unitOf(this.number(cell), this.range));
    });
    this.tokens.forEach((span, n) => {
      span.classList.toggle("active", n === active);
      span.classList.toggle("locked", n === active && locked);
      span.ariaSelected = String(n === active && locked);
      span.tabIndex = n === (active ?? 0) ? 0 : -1;
    });
    if (active !== null && !this.overStrip) reveal(this.tokens[active]);
  }

  // A token in the color of its weight, with a bar below: not by color alone.
  look(unit) {
    const tone = shade(unit);
    const ink = DARK[tone] ? "#fff" : "#000";
    const bar = Math.round(8 * clamp(unit, 0, 1));
    return `background:${CSS_COLORS[tone]};color:${ink};box-shadow:inset 0 -${bar}px 0 ${ink}`;
  }

  // ---- words

  name(list, n) {
    return `“${cut(list[n], 18)}”${this.doubles.get(list).has(list[n]) ? ` no.\u00a0${n + 1}` : ""}`;
  }

  // What is shown, as a sentence: for those who hear it, and a help for those who see it.
  sentence() {
    const { active } = this;
    if (active === null) return HINT;
    const [choosable, others] = this.lists;
    const scores = this.get("show") === "scores";
    const valueOf = (n) => this.value(this.number(this.cellOf(active, n)));
    const written = (n) => (scores ? minus(valueOf(n).toFixed(1)) : percent(valueOf(n)));
    const seen = [...others.keys()].filter((n) => !this.masked(this.cellOf(active, n)));
    const most = seen.sort((a, b) => valueOf(b) - valueOf(a)).slice(0, 3);
    let verb = this.byColumn ? "is looked at most by" : "looks most at";
    if (scores) verb = this.byColumn ? "has its highest score from" : "has its highest score with";
    const list = most.map((n) => `${this.name(others, n)} (${written(n)})`);
    const looks = list.length ? `${verb} ${best(list)}` : "is seen by nobody";
    const masked = others.length - seen.length;
    const parts = [`${this.name(choosable, active)}${this.place && ` in ${this.place}`} ${looks}`];
    if (masked) parts.push(`; masked: ${plural(masked, "token")}`);
    const { q, k } = this.shown;
    if (q !== null && k !== null) {
      const number = this.masked({ q, k }) ? "masked" : written(this.byColumn ? q : k);
      parts.push(`. Here, ${this.name(this.queries, q)} to ${this.name(this.keys, k)}: ${number}`);
    }
    return `${parts.join("")}.${this.get("selected") === null ? "" : " Held: Escape lets go."}`;
  }
}

export default figure(() => Explorer);
