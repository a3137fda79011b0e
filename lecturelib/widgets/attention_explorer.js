// The attention explorer in the page: everything that is drawn and computed without the kernel.
// The model holds `data` (fixed) and the settings; whoever changes a setting, page or kernel, it is drawn from there.

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
const shade = (unit) => Math.round(255 * Math.min(Math.max(unit, 0), 1));

// ---- numbers ------------------------------------------------------------------------------------------------------

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// Return the scores (L * H * T * S) and the mask (T * S, 1 = may look, or null): `encode` of the Python file, undone.
export function decode(data) {
  const [L, H, T, S] = data.shape;
  const packed = bytes(data.codes);
  const codes = data.bits === 16 ? new Uint16Array(packed.buffer) : packed;
  const rows = new Float32Array(bytes(data.rows).buffer); // of each row: the largest score, the span
  const levels = 2 ** data.bits - 1;
  const scores = new Float64Array(codes.length);
  for (let row = 0, n = 0; row < L * H * T; row++) {
    const top = rows[2 * row];
    const span = rows[2 * row + 1];
    for (let key = 0; key < S; key++, n++) {
      const share = codes[n] / levels;
      scores[n] = top - span * share * share;
    }
  }
  let mask = null;
  if (data.mask !== null) {
    const bits = bytes(data.mask);
    mask = Uint8Array.from({ length: T * S }, (_, n) => (bits[n >> 3] >> (n & 7)) & 1);
  }
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
      if (mask !== null && !mask[seen + k]) continue;
      sum += weights[start + k] = Math.exp(scores[start + k] * factor - top);
    }
    for (let k = 0; k < S; k++) weights[start + k] /= sum;
  }
  return weights;
}

// ---- small helpers --------------------------------------------------------------------------------------------------

function make(tag, options = {}, ...children) {
  const { text, ...attributes } = options;
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

function percent(weight) {
  const value = 100 * weight;
  if (value > 0 && value < 0.1) return "under 0.1\u00a0%";
  return `${value < 1 && value > 0 ? value.toFixed(1) : Math.round(value)}\u00a0%`;
}

const minus = (text) => text.replace("-", "−");
const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
const cut = (text, longest) => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text);

// ---- the view -------------------------------------------------------------------------------------------------------

class Explorer {
  constructor(model, host) {
    this.model = model;
    this.data = model.get("data");
    [this.L, this.H, this.T, this.S] = this.data.shape;
    this.queries = this.data.queries;
    this.cross = this.data.keys !== null;
    this.keys = this.data.keys ?? this.queries;
    Object.assign(this, decode(this.data));
    this.doubles = new Map([this.queries, this.keys].map((list) => [list, repeated(list)]));
    this.pointer = null; // the cell under the pointer: {q, k}, each a number or null
    this.overStrip = false;
    this.marked = null; // the cell that the keyboard has reached, while the focus is here
    this.stale = new Set();
    this.frame = 0;
    this.built = null; // the direction for which the strips were built
    this.id = Math.random().toString(36).slice(2); // each figure of a page loads this file anew: a count would repeat
    this.build(host);
    this.listeners = SETTINGS.map((name) => [`change:${name}`, () => this.changed(name)]);
    for (const [event, listener] of this.listeners) model.on(event, listener);
    this.resized = new ResizeObserver(() => this.draw("layout"));
    this.resized.observe(this.root);
    this.draw("numbers");
  }

  remove() {
    for (const [event, listener] of this.listeners) this.model.off(event, listener);
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    this.frame = -1; // and none is asked for again
    this.root.remove();
  }

  get(name) {
    return this.model.get(name);
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  get byColumn() {
    return this.get("direction") === "looked at by";
  }

  // The list of tokens that can be chosen, and the one that is looked at (or looks).
  get lists() {
    return this.byColumn ? [this.keys, this.queries] : [this.queries, this.keys];
  }

  get cursor() {
    return this.pointer ?? this.marked ?? { q: null, k: null };
  }

  get active() {
    return this.get("selected") ?? (this.byColumn ? this.cursor.k : this.cursor.q);
  }

  masked(q, k) {
    return this.mask !== null && this.get("mask_on") && !this.mask[q * this.S + k];
  }

  get start() {
    return (this.get("layer") * this.H + this.get("head")) * this.T * this.S;
  }

  // ---- building, once

  build(host) {
    this.root = make("div", { class: "lec-explorer" });
    this.root.addEventListener("keydown", (event) => this.keyAnywhere(event));
    // Another theme: the canvas takes its colors again. That the color of the text changes is told, in any host, by
    // the tiny transition of an empty span; it may be cut off, since JupyterLab hides everything meanwhile.
    this.probe = make("span", { class: "probe", "aria-hidden": "true" });
    for (const event of ["transitionend", "transitioncancel"]) {
      this.probe.addEventListener(event, () => setTimeout(() => this.draw("hover"), 20));
    }
    const body = make("div", { class: "body" }, this.buildHeads(), this.buildView(), this.buildPanel());
    this.root.append(this.buildControls(), body, this.probe);
    host.append(this.root);
  }

  buildControls() {
    const bar = make("div", { class: "controls", role: "group", "aria-label": "settings" });
    this.temperature = make("input", { type: "range", min: 0.25, max: 4, step: 0.05 });
    this.temperature.addEventListener("input", () => this.set({ temperature: Number(this.temperature.value) }));
    this.number = make("span", { class: "number", "aria-hidden": "true" });
    const label = make("label", {}, "temperature", this.temperature);
    bar.append(make("span", { class: "heat" }, label, this.number));
    this.switches = {};
    const add = (name, text) => {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => this.set({ [name]: box.checked }));
      this.switches[name] = box;
      bar.append(make("label", { class: "switch" }, box, text));
    };
    if (this.data.d_k !== null) add("scale", "divide by √dₖ");
    if (this.mask !== null) add("mask_on", "mask");
    this.shows = this.choices("show", { weights: "weights", scores: "scores" }, "numbers of the map");
    bar.append(this.shows.node);
    add("stretch", "stretch each row");
    const reset = make("button", { type: "button", class: "reset", text: "reset" });
    reset.addEventListener("click", () => {
      const there = Object.entries(PLAIN).filter(([name]) => !(name === "scale" && this.data.d_k === null));
      this.set({ ...Object.fromEntries(there), selected: null });
    });
    bar.append(reset);
    return bar;
  }

  choices(setting, texts, label) {
    const node = make("span", { class: "group", role: "radiogroup", "aria-label": label });
    const inputs = Object.entries(texts).map(([value, text]) => {
      const input = make("input", { type: "radio", name: `lec-${this.id}-${setting}`, value });
      input.addEventListener("change", () => {
        const changes = { [setting]: value };
        if (setting === "direction" && this.cross) changes.selected = null; // a query's number is not a key's
        this.set(changes);
      });
      node.append(make("label", {}, input, text));
      return input;
    });
    return { node, inputs };
  }

  buildHeads() {
    const { L, H, T, S } = this;
    const box = make("div", { class: "heads", role: "radiogroup", "aria-label": L > 1 ? "layer and head" : "head" });
    box.hidden = L * H === 1;
    // one layer: its heads in one to four columns; several: a row for each
    this.across = L > 1 ? H : H <= 3 ? 1 : H <= 8 ? 2 : 4;
    const largest = L > 1
      ? Math.max(26, Math.min(72, Math.floor(300 / H) - 10, Math.floor(420 / L)))
      : { 1: 110, 2: 96, 4: 64 }[this.across];
    const fit = largest / Math.max(T, S);
    const [width, height] = [S, T].map((n) => Math.max(Math.round(n * fit), 12));
    this.headSize = width + 14; // with what stands around it
    if (L > 1) {
      box.append(make("span", { class: "caption", text: "head", "aria-hidden": "true" }));
      for (let h = 0; h < H; h++) box.append(make("span", { class: "caption", text: h + 1, "aria-hidden": "true" }));
    }
    this.heads = [];
    for (let n = 0; n < L * H; n++) {
      const [layer, head] = [Math.floor(n / H), n % H];
      if (L > 1 && head === 0) {
        box.append(make("span", { class: "caption layer", text: this.data.layers[layer], "aria-hidden": "true" }));
      }
      const canvas = make("canvas", { "aria-hidden": "true", width: S, height: T });
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      if (T > height || S > width) canvas.style.imageRendering = "auto";
      const name = L > 1 ? `${this.data.layers[layer]}, head ${head + 1}` : `head ${head + 1}`;
      const button = make("button", { type: "button", class: "head", role: "radio", "aria-label": name }, canvas);
      if (L === 1) button.append(make("span", { text: name, "aria-hidden": "true" }));
      button.addEventListener("click", () => this.set({ layer, head }));
      button.addEventListener("keydown", (event) => this.keyInHeads(event, n));
      this.heads.push({ button, canvas });
      box.append(button);
    }
    this.headBox = box;
    this.arrangeHeads(this.across);
    return box;
  }

  arrangeHeads(across) {
    this.across = across;
    this.headBox.style.gridTemplateColumns = `repeat(${across + (this.L > 1 ? 1 : 0)}, auto)`;
  }

  buildView() {
    this.base = make("canvas");
    this.over = make("canvas");
    this.map = make("div", { class: "map", tabindex: 0, role: "application", "aria-roledescription": "map" },
      this.base, this.over);
    this.image = make("canvas", { width: this.S, height: this.T });
    const at = (event) => this.cellAt(event.offsetX, event.offsetY);
    this.map.addEventListener("pointermove", (event) => this.point(at(event)));
    this.map.addEventListener("pointerleave", () => this.point(null));
    this.map.addEventListener("pointerdown", (event) => {
      this.marked = at(event); // the keys go on from here
    });
    this.map.addEventListener("click", (event) => {
      const cell = at(event);
      this.lock(this.byColumn ? cell.k : cell.q);
    });
    this.map.addEventListener("keydown", (event) => this.keyInMap(event));
    this.map.addEventListener("focus", () => {
      const held = this.get("selected");
      this.marked ??= this.byColumn ? { q: null, k: held ?? 0 } : { q: held ?? 0, k: null };
      this.draw("hover");
    });
    this.map.addEventListener("blur", () => this.unmark());
    this.low = make("span");
    this.high = make("span");
    const bar = make("span", { class: "bar" });
    bar.style.background = `linear-gradient(to right, ${CSS_COLORS.filter((_, n) => n % 15 === 0).join(",")})`;
    this.unit = make("span");
    this.legendMasked = make("span", { class: "masked" }, make("span", { class: "swatch" }), "masked");
    const legend = make("div", { class: "legend" }, this.low, bar, this.high, this.unit, this.legendMasked);
    return make("div", { class: "view" }, this.map, legend);
  }

  buildPanel() {
    const texts = { "looks at": "where a token looks", "looked at by": "who looks at it" };
    this.directions = this.choices("direction", texts, "direction");
    this.directions.node.classList.add("direction");
    this.strips = make("div");
    this.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
    this.panel = make("div", { class: "panel" }, this.directions.node, this.strips, this.status);
    return this.panel;
  }

  // The sentence as text: one strip of tokens, or one of queries and one of keys. Built again when the direction turns.
  buildStrips() {
    const [choosable, others] = this.lists;
    const spans = new Map();
    const build = (list, title) => {
      const chosen = list === choosable;
      const strip = make("div", { class: "strip", role: chosen ? "listbox" : "group", "aria-label": title });
      if (chosen) strip.setAttribute("aria-orientation", "horizontal");
      const tokens = list.map((text, n) => {
        const span = make("span", { class: "token", text });
        if (chosen) {
          span.setAttribute("role", "option");
          span.setAttribute("aria-selected", "false");
          span.tabIndex = n === 0 ? 0 : -1;
        }
        span.dataset.n = n;
        return span;
      });
      strip.append(...tokens);
      spans.set(list, tokens);
      if (chosen) this.wireStrip(strip);
      return [make("div", { class: "caption", text: title, "aria-hidden": "true" }), strip];
    };
    const parts = this.cross
      ? [...build(this.queries, "queries (they look)"), ...build(this.keys, "keys (they are looked at)")]
      : build(this.queries, "tokens");
    this.strips.replaceChildren(...parts);
    this.tokens = spans.get(choosable);
    this.targets = spans.get(others);
    this.built = this.get("direction");
  }

  wireStrip(strip) {
    const cell = (event) => {
      const n = event.target.dataset.n;
      return n === undefined ? null : this.byColumn ? { q: null, k: Number(n) } : { q: Number(n), k: null };
    };
    strip.addEventListener("pointerover", (event) => {
      this.overStrip = true;
      this.point(cell(event));
    });
    strip.addEventListener("pointerleave", () => {
      this.overStrip = false;
      this.point(null);
    });
    strip.addEventListener("click", (event) => {
      if (event.target.dataset.n !== undefined) this.lock(Number(event.target.dataset.n));
    });
    strip.addEventListener("focusin", (event) => {
      this.marked = cell(event);
      this.draw("hover");
    });
    strip.addEventListener("focusout", () => this.unmark());
    strip.addEventListener("keydown", (event) => this.keyInStrip(event));
  }

  // ---- what mouse and keys do

  changed(name) {
    if (["temperature", "scale", "mask_on"].includes(name)) this.draw("numbers");
    else if (name === "selected") this.draw("hover");
    else this.draw("map");
  }

  point(cell) {
    if (this.pointer?.q === cell?.q && this.pointer?.k === cell?.k) return;
    this.pointer = cell;
    this.draw("hover");
  }

  unmark() {
    this.marked = null;
    this.draw("hover");
  }

  lock(n) {
    if (n !== null) this.set({ selected: this.get("selected") === n ? null : n });
  }

  // JupyterLab reads keys, too: it gets those that nothing here uses and that help there (running a cell, the pages of
  // a presentation), and no others, or a letter would cut a cell.
  keyAnywhere(event) {
    const theirs = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter")
      || /^(Page(Up|Down)|F\d+)$/.test(event.key);
    if (event.key === "Escape") {
      if (this.get("selected") === null) return;
      this.set({ selected: null });
      event.preventDefault();
    } else if (theirs) {
      // a slider that has the focus would take the page keys of a remote control
      if (event.target === this.temperature && event.key.startsWith("Page")) event.preventDefault();
      return;
    }
    event.stopPropagation();
  }

  keyInHeads(event, n) {
    const count = this.heads.length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.across, ArrowDown: this.across };
    let to = { Home: 0, End: count - 1 }[event.key] ?? n + (steps[event.key] ?? NaN);
    if (Number.isNaN(to) || plainKey(event) === null) return;
    event.preventDefault();
    if (to < 0 || to >= count) return;
    this.set({ layer: Math.floor(to / this.H), head: to % this.H });
    this.heads[to].button.focus();
  }

  keyInMap(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const key = plainKey(event);
    const { q, k } = this.marked ?? { q: null, k: null };
    const held = this.get("selected");
    const [row, column] = this.byColumn ? [q, held ?? k] : [held ?? q, k];
    const clamp = (n, end) => Math.min(Math.max(n, 0), end - 1);
    if (key in moves) {
      const [down, right] = moves[key];
      const to = { q: row, k: column };
      if (down) to.q = row === null ? 0 : clamp(row + down, this.T);
      if (right) to.k = column === null ? 0 : clamp(column + right, this.S);
      this.pass(to);
    } else if (key === "Home" || key === "End") {
      const end = key === "End";
      this.pass(this.byColumn ? { q: row, k: end ? this.S - 1 : 0 } : { q: end ? this.T - 1 : 0, k: column });
    } else if (key === "Enter" || key === " ") {
      this.lock(this.byColumn ? column : row);
    } else return;
    event.preventDefault();
  }

  keyInStrip(event) {
    const n = Number(event.target.dataset.n);
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
    const key = plainKey(event);
    if (key === "Enter" || key === " ") this.lock(n);
    else if (key in steps || key === "Home" || key === "End") {
      const last = this.tokens.length - 1;
      const to = { Home: 0, End: last }[key] ?? Math.min(Math.max(n + steps[key], 0), last);
      this.pass(this.byColumn ? { q: null, k: to } : { q: to, k: null });
      this.tokens[to].focus();
    } else return;
    event.preventDefault();
  }

  // The keyboard has reached a cell; what is held moves along.
  pass(cell) {
    this.pointer = null;
    this.marked = cell;
    const to = this.byColumn ? cell.k : cell.q;
    if (this.get("selected") !== null && to !== null && to !== this.get("selected")) this.set({ selected: to });
    this.draw("hover");
  }

  // ---- drawing, once in a frame at most

  draw(what) {
    this.stale.add(what);
    if (!this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    const stale = this.stale;
    this.stale = new Set();
    if (getComputedStyle(this.root).color !== this.ink) stale.add("layout");
    if (stale.has("numbers")) this.compute();
    if (stale.has("numbers") || stale.has("map") || stale.has("layout")) {
      this.showSettings();
      this.range = this.rangeOf(this.get("layer") * this.H + this.get("head"));
      this.layout();
      this.paintMap();
      this.paintLegend();
      if (stale.has("numbers") || stale.has("map")) this.paintHeads();
    }
    this.paintHover();
    this.paintStrips();
    this.say();
  }

  compute() {
    const factor = (this.get("scale") ? 1 : Math.sqrt(this.data.d_k)) / this.get("temperature");
    const mask = this.get("mask_on") ? this.mask : null;
    this.weights = weigh(this.scores, this.T, this.S, mask, factor);
    this.factor = factor;
    this.tops = new Float64Array(this.weights.length / this.S); // of each row
    for (let n = 0; n < this.weights.length; n++) {
      const row = Math.floor(n / this.S);
      if (this.weights[n] > this.tops[row]) this.tops[row] = this.weights[n];
    }
  }

  // The number of a cell, n counted through all heads: as the view says, weight or score.
  value(n) {
    return this.get("show") === "weights" ? this.weights[n] : this.scores[n] * this.factor;
  }

  // The ends of the color scale of a head. Weights: from 0 to 1, or, stretched, to the largest of each row.
  rangeOf(map) {
    if (this.get("show") === "weights") return [0, 1];
    const size = this.T * this.S;
    let [low, high] = [Infinity, -Infinity];
    for (let n = 0; n < size; n++) {
      if (this.mask !== null && this.get("mask_on") && !this.mask[n]) continue;
      const value = this.value(map * size + n);
      if (value < low) low = value;
      if (value > high) high = value;
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

  paintImage(canvas, map, range) {
    const { T, S } = this;
    const context = canvas.getContext("2d");
    const image = context.createImageData(S, T);
    const hide = this.mask !== null && this.get("mask_on");
    for (let n = 0; n < T * S; n++) {
      if (hide && !this.mask[n]) continue; // transparent: the hatching behind is seen
      const color = COLORS[shade(this.unitOf(map * T * S + n, range))];
      image.data[4 * n] = color[0];
      image.data[4 * n + 1] = color[1];
      image.data[4 * n + 2] = color[2];
      image.data[4 * n + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }

  paintHeads() {
    if (this.headBox.hidden) return;
    this.heads.forEach(({ canvas }, map) => this.paintImage(canvas, map, this.rangeOf(map)));
  }

  showSettings() {
    const temperature = this.get("temperature");
    if (Number(this.temperature.value) !== temperature) this.temperature.value = temperature;
    this.number.textContent = temperature.toFixed(2);
    this.temperature.setAttribute("aria-valuetext", temperature.toFixed(2));
    for (const [name, box] of Object.entries(this.switches)) box.checked = this.get(name);
    this.switches.stretch.disabled = this.get("show") === "scores"; // their colors always reach from end to end
    for (const input of this.shows.inputs) input.checked = input.value === this.get("show");
    for (const input of this.directions.inputs) input.checked = input.value === this.get("direction");
    const chosen = this.get("layer") * this.H + this.get("head");
    this.heads.forEach(({ button }, n) => {
      button.setAttribute("aria-checked", n === chosen);
      button.tabIndex = n === chosen ? 0 : -1;
    });
    if (this.built !== this.get("direction")) this.buildStrips();
    this.map.setAttribute("aria-label", `attention${this.place && ` of ${this.place}`}, ${plural(this.T, "row")} by `
      + `${plural(this.S, "column")}; the arrow keys move through it, Enter holds a token`);
  }

  get place() {
    if (this.L * this.H === 1) return "";
    const head = `head ${this.get("head") + 1}`;
    return this.L > 1 ? `${this.data.layers[this.get("layer")]}, ${head}` : head;
  }

  // Where everything stands on the map, in pixels of the page.
  layout() {
    const { T, S } = this;
    const style = getComputedStyle(this.root);
    const whole = this.root.clientWidth - 12; // without its padding
    if (whole <= 0) return;
    this.ink = style.color;
    this.ratio = window.devicePixelRatio || 1;
    const size = Math.max(14, Math.round(parseFloat(style.fontSize) * 0.9));
    this.font = `${size}px ${style.fontFamily}`;
    this.fontSize = size;
    const context = this.base.getContext("2d");
    context.font = this.font;
    const line = size + 6;
    const many = Math.max(T, S) > 40;
    this.names = new Map([this.queries, this.keys].map((list) =>
      [list, list.map((text) => this.fitted(text, (many ? 5 : 7) * size))]));
    const widths = [this.queries, this.keys].map((list) =>
      this.names.get(list).map((text) => context.measureText(text).width));
    const [queryWidth, keyWidth] = widths.map((list) => list.reduce((a, b) => Math.max(a, b), 0));
    const left = line + queryWidth + 10;
    // what slanted names need to the right of the map
    const lean = many || keyWidth < 1.3 * size ? 0 : Math.max(...widths[1].slice(-3)) / 2;
    const [cell, room] = this.arrange(whole, (width) => {
      // whole pixels of the screen, so that all cells are equal
      const pixels = Math.floor(Math.min(600 / T, (width - left - lean - 8) / S, 46) * this.ratio);
      return Math.max(pixels, 1) / this.ratio;
    });
    this.labelled = cell >= size - 1;
    const single = keyWidth <= cell - 2;
    const slant = single ? 0 : cell >= 1.3 * size ? -Math.PI / 3 : -Math.PI / 2;
    const above = slant === 0 || !this.labelled ? size + 4 : Math.ceil(keyWidth * -Math.sin(slant) + size * Math.cos(slant)) + 4;
    const overhang = this.labelled && slant ? widths[1].map((w, k) => (k + 0.5) * cell + w * Math.cos(slant) + size / 2) : [];
    const top = line + above + 4;
    const titles = context.measureText("keys: looked at →").width;
    const right = Math.max(S * cell, this.labelled ? 0 : keyWidth, titles, ...overhang);
    this.grid = { left: Math.round(left * this.ratio) / this.ratio, top: Math.round(top * this.ratio) / this.ratio, cell, slant, line };
    this.map.dataset.grid = JSON.stringify(this.grid); // for whoever wants to point at a cell, as the tests do
    this.width = Math.min(Math.ceil(left + right) + 6, Math.max(room, 40));
    this.height = Math.ceil(top + T * cell) + 6;
    for (const canvas of [this.base, this.over]) {
      const [w, h] = [this.width, this.height].map((n) => Math.round(n * this.ratio));
      if (canvas.width !== w) canvas.width = w;
      if (canvas.height !== h) canvas.height = h;
      canvas.style.width = `${this.width}px`;
      canvas.style.height = `${this.height}px`;
    }
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

  // Decide what stands beside what, so that the map stays large; return the size of its cells and the room for it.
  arrange(whole, cellIn) {
    const across = this.L > 1 ? this.H : this.H <= 3 ? 1 : this.H <= 8 ? 2 : 4;
    if (this.across !== across) this.arrangeHeads(across);
    const beside = whole - (this.headBox.hidden ? 0 : this.headBox.offsetWidth + 20);
    const cells = { wide: cellIn(beside - 320), stacked: cellIn(beside), narrow: cellIn(whole) };
    let layout = "narrow";
    if (beside >= 700 && cells.wide >= Math.min(0.7 * cells.stacked, 22)) layout = "wide";
    else if (beside >= 360 && cells.stacked >= 0.7 * cells.narrow) layout = "stacked";
    this.root.dataset.layout = layout;
    if (layout === "narrow" && this.L === 1) {
      this.arrangeHeads(Math.max(1, Math.min(this.H, Math.floor(whole / (this.headSize + 6)))));
    }
    return [cells[layout], { wide: beside, stacked: beside, narrow: whole }[layout]];
  }

  fitted(text, longest) {
    const context = this.base.getContext("2d");
    if (context.measureText(text).width <= longest) return text;
    let end = text.length;
    while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > longest) end--;
    return `${text.slice(0, end)}…`;
  }

  fresh(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.font = this.font;
    context.fillStyle = this.ink;
    context.strokeStyle = this.ink;
    context.textBaseline = "middle";
    return context;
  }

  paintMap() {
    if (!this.grid) return;
    const { T, S } = this;
    const { left, top, cell, slant, line } = this.grid;
    const context = this.fresh(this.base);
    if (this.mask !== null && this.get("mask_on")) {
      context.fillStyle = this.hatching(context);
      context.fillRect(left, top, S * cell, T * cell);
      context.fillStyle = this.ink;
    }
    this.paintImage(this.image, this.get("layer") * this.H + this.get("head"), this.range);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, left, top, S * cell, T * cell);
    context.lineWidth = 1;
    context.globalAlpha = 0.5;
    context.strokeRect(left - 0.5, top - 0.5, S * cell + 1, T * cell + 1);
    context.globalAlpha = 1;
    context.textAlign = "left";
    context.fillText("keys: looked at →", left, line / 2);
    context.save();
    context.translate(line / 2, top + T * cell);
    context.rotate(-Math.PI / 2);
    const title = "← queries: look";
    if (context.measureText(title).width <= T * cell + top) context.fillText(title, 0, 0);
    context.restore();
    if (!this.labelled) return;
    this.names.get(this.queries).forEach((text, q) => this.nameRow(context, text, q));
    this.names.get(this.keys).forEach((text, k) => this.nameColumn(context, text, k, slant));
  }

  nameRow(context, text, q) {
    const { left, top, cell } = this.grid;
    context.textAlign = "right";
    context.fillText(text, left - 6, top + (q + 0.5) * cell);
  }

  nameColumn(context, text, k, slant) {
    const { left, top, cell } = this.grid;
    context.save();
    context.translate(left + (k + 0.5) * cell, top - 4);
    if (slant === 0) {
      context.textAlign = "center";
      context.fillText(text, 0, -this.fontSize / 2);
    } else {
      context.rotate(slant);
      context.textAlign = "left";
      context.fillText(text, slant > -1.5 ? 3 : 2, slant > -1.5 ? -1 : 0);
    }
    context.restore();
  }

  hatching(context) {
    const tile = make("canvas", { width: 8, height: 8 });
    const pen = tile.getContext("2d");
    pen.strokeStyle = this.ink;
    pen.globalAlpha = 0.45;
    pen.lineWidth = 1.2;
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift - 1, 9);
      pen.lineTo(shift + 9, -1);
    }
    pen.stroke();
    return context.createPattern(tile, "repeat");
  }

  paintLegend() {
    const scores = this.get("show") === "scores";
    const [low, high] = this.range;
    this.low.textContent = minus(low.toFixed(scores ? 1 : 0));
    this.high.textContent = this.stretched ? "largest weight of the row" : minus(high.toFixed(scores ? 1 : 0));
    this.unit.textContent = this.stretched ? "" : scores ? "score" : "weight";
    this.legendMasked.hidden = this.mask === null || !this.get("mask_on") || this.mask.every(Boolean);
  }

  paintHover() {
    if (!this.grid) return;
    const context = this.fresh(this.over);
    const { left, top, cell } = this.grid;
    const locked = this.get("selected") !== null;
    const { q, k } = this.shown;
    const frame = (x, y, w, h, wide) => {
      for (const [color, width] of [["#000", wide + 2], ["#fff", wide]]) {
        context.strokeStyle = color;
        context.lineWidth = width;
        context.strokeRect(x - wide / 2, y - wide / 2, w + wide, h + wide);
      }
    };
    const width = locked ? 3 : 2;
    if (this.byColumn ? k !== null : q !== null) {
      if (this.byColumn) frame(left + k * cell, top, cell, this.T * cell, width);
      else frame(left, top + q * cell, this.S * cell, cell, width);
    }
    if (q !== null && k !== null) frame(left + k * cell, top + q * cell, cell, cell, 2);
    context.fillStyle = this.ink;
    if (this.labelled) {
      if (q !== null) this.underline(context, "row", q);
      if (k !== null) this.underline(context, "column", k);
    } else {
      if (q !== null) this.nameRow(context, this.names.get(this.queries)[q], q);
      if (k !== null) {
        const text = this.names.get(this.keys)[k];
        const half = context.measureText(text).width / 2;
        context.textAlign = "center";
        const x = Math.min(Math.max(left + (k + 0.5) * cell, left + half), this.width - half - 2);
        context.fillText(text, x, top - 6 - this.fontSize / 2);
      }
    }
  }

  // A bar beside the name of a row or a column.
  underline(context, kind, n) {
    const { left, top, cell } = this.grid;
    if (kind === "row") context.fillRect(left - 4.5, top + n * cell, 3, cell);
    else context.fillRect(left + n * cell, top - 4.5, cell, 3);
  }

  // The cell that is shown: what is held, and across it what is pointed at.
  get shown() {
    const { q, k } = this.cursor;
    return this.byColumn ? { q, k: this.active } : { q: this.active, k };
  }

  paintStrips() {
    const active = this.active;
    const locked = this.get("selected") !== null;
    const focusable = active ?? 0;
    this.targets.forEach((span, n) => {
      if (active === null) {
        span.className = "token";
        span.style.cssText = "";
        return;
      }
      const [q, k] = this.byColumn ? [n, active] : [active, n];
      if (this.masked(q, k)) {
        span.className = "token masked";
        span.style.cssText = "";
        return;
      }
      const unit = this.unitOf(this.start + q * this.S + k, this.range);
      const tone = shade(unit);
      const ink = DARK[tone] ? "#fff" : "#000";
      const bar = Math.round(8 * Math.min(Math.max(unit, 0), 1));
      span.className = "token";
      span.style.cssText = `background:${CSS_COLORS[tone]};color:${ink};box-shadow:inset 0 -${bar}px 0 ${ink}`;
    });
    this.tokens.forEach((span, n) => {
      span.classList.toggle("active", n === active);
      span.classList.toggle("locked", n === active && locked);
      const held = String(n === active && locked);
      if (span.getAttribute("aria-selected") !== held) span.setAttribute("aria-selected", held);
      const tab = n === focusable ? 0 : -1;
      if (span.tabIndex !== tab) span.tabIndex = tab;
    });
    if (active !== null && !this.overStrip) reveal(this.tokens[active]);
  }

  name(list, n) {
    const many = this.doubles.get(list).has(list[n]);
    return `“${cut(list[n], 18)}”${many ? ` no.\u00a0${n + 1}` : ""}`;
  }

  // What is shown, as a sentence: for those who hear it, and a help for those who see it.
  sentence() {
    const active = this.active;
    if (active === null) return HINT;
    const [choosable, others] = this.lists;
    const scores = this.get("show") === "scores";
    const cellOf = (n) => (this.byColumn ? [n, active] : [active, n]);
    const valueOf = (n) => {
      const [q, k] = cellOf(n);
      return this.value(this.start + q * this.S + k);
    };
    const written = (n) => (scores ? minus(valueOf(n).toFixed(1)) : percent(valueOf(n)));
    const seen = others.map((_, n) => n).filter((n) => !this.masked(...cellOf(n)));
    const best = seen.sort((a, b) => valueOf(b) - valueOf(a)).slice(0, 3).map((n) => `${this.name(others, n)} (${written(n)})`);
    const where = this.place ? ` in ${this.place}` : "";
    let verb = this.byColumn ? "is looked at most by" : "looks most at";
    if (scores) verb = this.byColumn ? "has its highest score from" : "has its highest score with";
    let text = `${this.name(choosable, active)}${where} `;
    text += best.length ? `${verb} ${best[0]}` : "is seen by nobody";
    if (best.length > 1) text += `, then ${best.slice(1).join(" and ")}`;
    if (seen.length < others.length) text += `; masked: ${plural(others.length - seen.length, "token")}`;
    text += ".";
    const { q, k } = this.shown;
    if (q !== null && k !== null) {
      const number = this.masked(q, k) ? "masked" : written(this.byColumn ? q : k);
      text += ` Here, ${this.name(this.queries, q)} to ${this.name(this.keys, k)}: ${number}.`;
    }
    return this.get("selected") === null ? text : `${text} Held: Escape lets go.`;
  }

  say() {
    const text = this.sentence();
    if (this.status.textContent !== text) this.status.textContent = text;
  }
}

const repeated = (list) => new Set(list.filter((text, n) => list.indexOf(text) !== n));

// The key, or null where a modifier makes it another one.
const plainKey = (event) => (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey ? null : event.key);

// Scroll a token of a long strip into view, without moving the page.
function reveal(token) {
  const strip = token.parentElement;
  if (strip.scrollHeight <= strip.clientHeight) return;
  const [inner, outer] = [token.getBoundingClientRect(), strip.getBoundingClientRect()];
  if (inner.top < outer.top) strip.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) strip.scrollTop += inner.bottom - outer.bottom;
}

function render({ model, el }) {
  const explorer = new Explorer(model, el);
  return () => explorer.remove();
}

export default { render };
