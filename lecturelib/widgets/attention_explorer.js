// The attention explorer in the page: everything that is drawn and computed without the kernel.
// The model holds `data` (fixed) and the settings; whoever changes a setting, page or kernel, it is drawn from there.

import {
  ARROWS, SmallMaps, View, best, bytes, checkbox, clamp, figure, fresh, hatching, hidden, make, minus, percent,
  plainKey, plural, radios, resize, setText, within,
} from "./kit.js";

const SETTINGS = ["layer", "head", "selected", "temperature", "scale", "mask_on", "show"];
const HINT = "Point at a token or at a row of the map to see where it looks. A click holds it, Escape lets it go.";

const BRIGHT = 110; // from this shade of viridis on black stands out more than white
const shade = (unit) => Math.round(255 * clamp(unit, 0, 1));

// ---- numbers

// Return the scores (L * H * T * S): `encode` of the Python file, undone.
export function decode(data) {
  const S = data.shape[3];
  const tops = new Float32Array(bytes(data.tops).buffer); // the largest score of each row
  const codes = new Uint16Array(bytes(data.codes).buffer);
  return Float64Array.from(codes, (code, n) => tops[Math.floor(n / S)] - data.clip * (code / 65535) ** 2);
}

// Return the softmax of factor * scores over the keys that are allowed (T * S); the others get 0.
export function weigh(scores, T, S, allowed, factor) {
  const weights = new Float64Array(scores.length);
  for (let start = 0; start < scores.length; start += S) {
    const seen = (start / S) % T * S; // where the row's mask begins
    let top = -Infinity;
    for (let k = 0; k < S; k++) {
      if (allowed[seen + k]) top = Math.max(top, scores[start + k] * factor);
    }
    let sum = 0;
    for (let k = 0; k < S; k++) {
      if (allowed[seen + k]) sum += weights[start + k] = Math.exp(scores[start + k] * factor - top);
    }
    for (let k = 0; k < S; k++) weights[start + k] /= sum;
  }
  return weights;
}

const cut = (text) => (text.length > 10 ? `${text.slice(0, 9)}…` : text);

// ---- the view

class Explorer extends View {
  constructor(model) {
    super(model, "lec-explorer", SETTINGS);
    [this.L, this.H, this.T, this.S] = this.data.shape;
    this.queries = this.data.queries;
    this.keys = this.data.keys ?? this.queries;
    this.scores = decode(this.data);
    this.mask = this.data.mask && bytes(this.data.mask); // 1 = may look
    this.colors = bytes(this.data.colors); // red, green and blue of 256 shades
    this.pointer = null; // the cell under the pointer: {q, k}, each a number or null
    this.marked = null; // the cell that the keyboard has reached, while the focus is here
    this.root.append(this.buildControls(),
      make("div", { class: "body" }, this.buildHeads(), this.buildView(), this.buildPanel()));
  }

  // The cell that is shown: what is held, and across it what is pointed at.
  get shown() {
    const cell = this.pointer ?? this.marked ?? { q: null, k: null };
    return { q: this.get("selected") ?? cell.q, k: cell.k };
  }

  masked({ q, k }) {
    return !this.allowed[q * this.S + k];
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
    ];
    return make("div", { class: "controls", role: "group", "aria-label": "settings" }, ...parts.filter(Boolean));
  }

  // A small map of each head: a row for each layer.
  buildHeads() {
    const { L, H, T, S } = this;
    this.heads = new SmallMaps("head", "layer and head", (n) => this.set({ layer: Math.floor(n / H), head: n % H }));
    const { node } = this.heads;
    this.heads.across = H;
    node.hidden = L * H === 1;
    node.style.gridTemplateColumns = `repeat(${H + 1}, auto)`;
    const most = clamp(Math.min(300 / H - 10, 420 / L), 18, 72); // at least what a finger can choose
    const [width, height] = [S, T].map((n) => Math.max(Math.round((n * most) / Math.max(T, S)), 12));
    const caption = (text, kind = "") => hidden("span", { class: `caption ${kind}`, text });
    node.append(caption("head"), ...Array.from({ length: H }, (_, h) => caption(h + this.data.first_head)));
    for (let n = 0; n < L * H; n++) {
      if (n % H === 0) node.append(caption(this.data.layers[n / H], "layer"));
      node.append(this.heads.add(this.nameOfMap(n)));
      const { canvas } = this.heads.maps[n];
      Object.assign(canvas, { width: S, height: T });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    return node;
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
      click: (event) => this.lock(at(event).q),
      keydown: (event) => this.keyInMap(event),
      focus: () => this.mark({ q: this.get("selected") ?? 0, k: null }),
      blur: () => this.mark(null),
    }, this.base, this.over);
    [this.low, this.high] = [make("span"), make("span")];
    const bar = make("span", { class: "bar" });
    const shades = Array.from({ length: 18 }, (_, n) => `rgb(${this.color(15 * n)})`);
    bar.style.background = `linear-gradient(to right, ${shades.join(",")})`;
    this.legendMasked = make("span", { class: "masked" }, make("span", { class: "swatch" }), "masked");
    const legend = make("div", { class: "legend" }, this.low, bar, this.high, this.legendMasked);
    return make("div", { class: "view" }, this.map, legend);
  }

  // The sentence as text: one strip of tokens, or one of queries and one of keys.
  buildPanel() {
    const cross = this.data.keys !== null;
    const number = ({ target }) => (target.dataset.n === undefined ? null : Number(target.dataset.n));
    const tokensOf = (list, options) => list.map((text, n) =>
      make("span", { class: "token", text, "data-n": n, ...options }));
    const strip = (title, tokens, options) => [hidden("div", { class: "caption", text: title }),
      make("div", { class: "strip", "aria-label": title, ...options }, ...tokens)];
    this.tokens = tokensOf(this.queries, { role: "option", "aria-selected": "false", tabindex: -1 });
    this.targets = cross ? tokensOf(this.keys) : this.tokens;
    const listbox = {
      role: "listbox", "aria-orientation": "horizontal",
      pointerover: (event) => this.point(number(event) === null ? null : { q: number(event), k: null }),
      pointerleave: () => this.point(null),
      click: (event) => this.lock(number(event)),
      focusin: (event) => this.mark({ q: number(event), k: null }),
      focusout: () => this.mark(null),
      keydown: (event) => this.keyInStrip(event),
    };
    return make("div", { class: "panel" }, ...strip(cross ? "queries (they look)" : "tokens", this.tokens, listbox),
      ...(cross ? strip("keys (they are looked at)", this.targets, { role: "group" }) : []), this.status);
  }

  // ---- what mouse and keys do

  changed(name) {
    this.draw(name === "selected" ? "hover" : "all");
  }

  keyInMap(event) {
    const key = plainKey(event);
    const { q, k } = this.shown;
    const moved = (n, by, end) => (by ? clamp((n ?? -1) + by, 0, end - 1) : n);
    if (key in ARROWS) {
      const [down, right] = ARROWS[key];
      this.reach({ q: moved(q, down, this.T), k: moved(k, right, this.S) });
    } else if (key === "Enter" || key === " ") this.lock(q);
    else return;
    event.preventDefault();
  }

  keyInStrip(event) {
    const n = Number(event.target.dataset.n);
    const key = plainKey(event);
    const last = this.tokens.length - 1;
    if (key === "Enter" || key === " ") this.lock(n);
    else if (key in ARROWS || key === "Home" || key === "End") {
      const to = { Home: 0, End: last }[key] ?? clamp(n + ARROWS[key][0] + ARROWS[key][1], 0, last);
      this.reach({ q: to, k: null });
      this.tokens[to].focus();
    } else return;
    event.preventDefault();
  }

  // The keyboard has reached a cell; what is held moves along.
  reach(cell) {
    this.pointer = null;
    if (this.get("selected") !== null && cell.q !== this.get("selected")) this.set({ selected: cell.q });
    this.mark(cell);
  }

  // ---- numbers that are drawn

  compute() {
    this.allowed = this.mask && this.get("mask_on") ? this.mask : new Uint8Array(this.T * this.S).fill(1);
    this.factor = (this.get("scale") ? 1 : Math.sqrt(this.data.d_k)) / this.get("temperature");
    this.weights = weigh(this.scores, this.T, this.S, this.allowed, this.factor);
  }

  // The number of a cell, n counted through all heads: as the view says, weight or score.
  value(n) {
    return this.get("show") === "weights" ? this.weights[n] : this.scores[n] * this.factor;
  }

  // The ends of the color scale of a map: of weights 0 and 1, of scores the smallest and the largest that is seen.
  rangeOf(map) {
    if (this.get("show") === "weights") return [0, 1];
    const size = this.T * this.S;
    let [low, high] = [Infinity, -Infinity];
    for (let n = 0; n < size; n++) {
      if (!this.allowed[n]) continue;
      const value = this.value(map * size + n);
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return low < high ? [low, high] : [low - 1, high + 1];
  }

  // Where on the color scale a cell stands, from 0 to 1; n is counted through all heads.
  unitOf(n, [low, high]) {
    return (this.value(n) - low) / (high - low);
  }

  // ---- drawing

  paint(stale) {
    const style = getComputedStyle(this.root);
    if (style.color !== this.ink || [...stale].some((what) => what !== "hover")) { // another ink: another theme
      this.compute();
      this.showSettings();
      this.range = this.rangeOf(this.chosenMap);
      this.layout(style);
      this.paintMap();
      this.paintLegend();
      if (!this.heads.node.hidden) {
        this.heads.maps.forEach(({ canvas }, map) => this.paintImage(canvas, map, this.rangeOf(map)));
      }
    }
    this.paintHover();
    this.paintStrips();
    setText(this.status, this.sentence());
  }

  showSettings() {
    const temperature = this.get("temperature");
    this.temperature.value = temperature;
    setText(this.temperatureText, temperature.toFixed(2));
    this.temperature.setAttribute("aria-valuetext", temperature.toFixed(2));
    for (const [name, box] of Object.entries(this.switches)) box.checked = this.get(name);
    this.shows.show(this.get("show"));
    this.heads.show(this.chosenMap);
    this.map.setAttribute("aria-label", `attention${this.place && ` of ${this.place}`}, ${plural(this.T, "row")} by `
      + `${plural(this.S, "column")}; the arrow keys move through it, Enter holds a token`);
  }

  get place() {
    return this.heads.node.hidden ? "" : this.nameOfMap(this.chosenMap);
  }

  // Where everything stands on the map, in pixels of the page.
  layout(style) {
    const { T, S, ratio, whole } = this;
    this.ink = style.color;
    const size = this.fontSize = Math.max(14, Math.round(parseFloat(style.fontSize) * 0.9));
    const pen = this.base.getContext("2d");
    this.font = pen.font = `${size}px ${style.fontFamily}`;
    const line = size + 6; // what stands beside the axes
    const width = (text) => pen.measureText(text).width;
    [this.rowNames, this.columnNames] = [this.queries, this.keys].map((list) => list.map(cut));
    const [rowWidth, keyWidth] = [this.rowNames, this.columnNames].map((list) => Math.max(...list.map(width)));
    const beside = whole - (this.heads.node.hidden ? 0 : this.heads.node.offsetWidth + 20);
    const narrow = beside < 360; // the heads stand above the map
    this.root.dataset.layout = narrow ? "narrow" : "wide";
    const text = beside < 800 ? 0 : 280; // it stands beside the map where there is room
    const room = narrow ? whole : beside - text;
    const left = line + rowWidth + 10;
    // whole pixels of the screen, so that all cells are equal
    const cell = Math.max(Math.floor(Math.min(600 / T, (room - left - 8) / S, 46) * ratio), 1) / ratio;
    this.labelled = cell >= size - 1;
    const upright = this.labelled && keyWidth > cell - 2;
    const top = line + (upright ? keyWidth : size) + 8;
    const right = Math.max(S * cell + (this.labelled ? 0 : keyWidth / 2), width("keys: looked at →"));
    const [x, y] = [left, top].map((n) => Math.round(n * ratio) / ratio);
    this.grid = { left: x, top: y, cell, upright, line };
    this.map.dataset.grid = JSON.stringify(this.grid); // for whoever wants to point at a cell, as the tests do
    this.width = Math.min(Math.ceil(left + right) + 6, room);
    for (const canvas of [this.base, this.over]) resize(canvas, this.width, Math.ceil(top + T * cell) + 6, ratio);
    this.map.style.width = `${this.width}px`;
    this.root.style.setProperty("--lec-ring", this.ink);
  }

  // The cell under a point of the map; beside the cells, where the names stand, only its row or its column.
  cellAt(x, y) {
    const { left, top, cell } = this.grid;
    const [q, k] = [Math.floor((y - top) / cell), Math.floor((x - left) / cell)];
    const [row, column] = [q >= 0 && q < this.T, k >= 0 && k < this.S];
    return { q: row && (column || x < left) ? q : null, k: column && (row || y < top) ? k : null };
  }

  paintImage(canvas, map, range) {
    const { T, S } = this;
    const context = canvas.getContext("2d");
    const image = context.createImageData(S, T);
    for (let n = 0; n < T * S; n++) {
      if (!this.allowed[n]) continue; // transparent: the hatching behind is seen
      image.data.set([...this.color(shade(this.unitOf(map * T * S + n, range))), 255], 4 * n);
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
    pen.fillStyle = hatching(this.ink, 0.45); // seen where the image has no color
    pen.fillRect(left, top, wide, high);
    pen.fillStyle = this.ink;
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
    pen.fillText("← queries: look", 0, 0);
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
    const { left, top, cell, upright } = this.grid;
    pen.save();
    pen.translate(left + (k + 0.5) * cell, top - 4);
    if (upright) pen.rotate(-Math.PI / 2);
    pen.textAlign = upright ? "left" : "center";
    pen.fillText(this.columnNames[k], 0, upright ? 0 : -this.fontSize / 2);
    pen.restore();
  }

  paintLegend() {
    const scores = this.get("show") === "scores";
    const [low, high] = this.range.map((end) => minus(end.toFixed(scores ? 1 : 0)));
    setText(this.low, low);
    setText(this.high, `${high} ${scores ? "score" : "weight"}`);
    this.legendMasked.hidden = this.allowed.every(Boolean);
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
    if (q !== null) frame(left, y, this.S * cell, cell, width);
    if (q !== null && k !== null) frame(x, y, cell, cell, 2);
    if (this.labelled) { // the names are there: a bar beside them
      if (q !== null) pen.fillRect(left - 4.5, y, 3, cell);
      if (k !== null) pen.fillRect(x, top - 4.5, cell, 3);
    } else {
      if (q !== null) this.nameRow(pen, q);
      if (k !== null) this.nameColumn(pen, k);
    }
  }

  paintStrips() {
    const { q: active } = this.shown;
    const locked = this.get("selected") !== null;
    this.targets.forEach((span, k) => {
      const masked = active !== null && this.masked({ q: active, k });
      span.className = masked ? "token masked" : "token";
      const colored = active !== null && !masked;
      span.style.cssText = colored ? this.look(this.unitOf(this.number({ q: active, k }), this.range)) : "";
    });
    this.tokens.forEach((span, n) => {
      span.classList.toggle("active", n === active);
      span.classList.toggle("locked", n === active && locked);
      span.ariaSelected = String(n === active && locked);
      span.tabIndex = n === (active ?? 0) ? 0 : -1;
    });
  }

  color(tone) {
    return this.colors.subarray(3 * tone, 3 * tone + 3);
  }

  // A token in the color of its weight, with a bar below: not by color alone.
  look(unit) {
    const tone = shade(unit);
    const ink = tone < BRIGHT ? "#fff" : "#000";
    const bar = Math.round(8 * clamp(unit, 0, 1));
    return `background:rgb(${this.color(tone)});color:${ink};box-shadow:inset 0 -${bar}px 0 ${ink}`;
  }

  // ---- words

  name(list, n) {
    const twice = list.indexOf(list[n]) !== list.lastIndexOf(list[n]);
    return `“${list[n]}”${twice ? ` no.\u00a0${n + 1}` : ""}`;
  }

  // What is shown, as a sentence: for those who hear it, and a help for those who see it.
  sentence() {
    const { q, k } = this.shown;
    if (q === null) return HINT;
    const scores = this.get("show") === "scores";
    const valueOf = (n) => this.value(this.number({ q, k: n }));
    const written = (n) => (scores ? minus(valueOf(n).toFixed(1)) : percent(valueOf(n)));
    const seen = [...this.keys.keys()].filter((n) => !this.masked({ q, k: n }));
    const most = seen.sort((a, b) => valueOf(b) - valueOf(a)).slice(0, 3);
    const list = most.map((n) => `${this.name(this.keys, n)} (${written(n)})`);
    const verb = scores ? "has its highest score with" : "looks most at";
    const parts = [`${this.name(this.queries, q)}${this.place && ` in ${this.place}`} ${verb} ${best(list)}`];
    const masked = this.S - seen.length;
    if (masked) parts.push(`; masked: ${plural(masked, "token")}`);
    if (k !== null) {
      const number = this.masked({ q, k }) ? "masked" : written(k);
      parts.push(`. Here, ${this.name(this.queries, q)} to ${this.name(this.keys, k)}: ${number}`);
    }
    return `${parts.join("")}.${this.get("selected") === null ? "" : " Held: Escape lets go."}`;
  }
}

export default figure(() => Explorer);
