// The patch playground in the page: it draws, and echoes mouse and keys at once; the kernel says what a network does.
// The model holds `data` (fixed), the settings and the last `answer`. Each question has a number, `asked`; an answer
// to an older question than the last is dropped.

import {
  ARROWS, SmallMaps, View, best, button, bytes, checkbox, clamp, figure, fresh, hatching, hidden, make, percent,
  plainKey, points, radios, resize, setText, within,
} from "./kit.js";

const ORANGE = [213, 94, 0]; // seen on ink and on paper, as is the blue
const BLUE = [0, 114, 178];
const WASH = 0.4; // how much of an image the strongest color covers
const PAUSE = 100; // milliseconds between two questions while the hand moves
const SLOW = 3000; // milliseconds without an answer until that is said
const PANEL = 14.4; // in letters, as in the styles: the width of the bars, and of the tools for drawing

const css = (color, alpha = 1) => `rgba(${color.join(",")},${alpha})`;
const argsort = (values) => [...values.keys()].sort((a, b) => values[b] - values[a]); // the largest first

// Color a cell: the larger the share (-1 to 1) the stronger, with a wider frame; below 0 blue, the frame in pieces.
function wash(context, [x, y, w, h], share, strength, framed) {
  const size = Math.min(Math.abs(share), 1);
  const color = share < 0 ? BLUE : ORANGE;
  context.fillStyle = css(color, strength * size);
  context.fillRect(x, y, w, h);
  const wide = 0.13 * size * Math.min(w, h);
  if (!framed || wide < 0.7) return;
  Object.assign(context, { strokeStyle: css(color), lineWidth: wide });
  context.setLineDash(share < 0 ? [Math.min(w, h) / 7, Math.min(w, h) / 14] : []);
  context.strokeRect(x + 0.5 + wide / 2, y + 0.5 + wide / 2, w - 1 - wide, h - 1 - wide);
  context.setLineDash([]);
}

// A name, a bar and a number, in a row.
function bar(text) {
  const [name, fill, number] = ["name", "fill", "number"].map((kind) => make("span", { class: kind }));
  const show = (title, share, written) => {
    setText(name, title);
    fill.style.width = `${100 * share}%`;
    setText(number, written);
  };
  show(text, 0, "");
  return { node: make("div", { class: "row" }, name, make("span", { class: "track" }, fill), number), show };
}

// ---- a picture with cells that one can point at

// An image of height x width pixels on a canvas, and over it a canvas for all that moves. With a `name` it takes the
// focus and the keys.
class Picture {
  constructor(kind, [height, width], [rows, columns], name = null) {
    Object.assign(this, { height, width, rows, columns, name });
    [this.base, this.over] = [hidden("canvas"), hidden("canvas")];
    const focus = { tabindex: 0, role: "application", "aria-roledescription": "picture", "aria-label": name };
    this.stage = make("div", { class: "stage", ...(name === null ? {} : focus) }, this.base, this.over);
    this.caption = make("div", { class: "caption" });
    this.node = make("div", { class: `picture ${kind}` }, this.caption, this.stage);
    this.small = make("canvas", { width, height });
  }

  // Make it as large as fits into so many pixels of the page; all pixels of the image are equally large.
  resize(room, ratio) {
    this.ratio = ratio;
    this.pixel = Math.max(Math.floor((room * ratio) / Math.max(this.width, this.height)), 1) / ratio;
    [this.wide, this.high] = [this.pixel * this.width, this.pixel * this.height];
    for (const canvas of [this.base, this.over]) resize(canvas, this.wide, this.high, ratio);
    for (const node of [this.stage, this.node]) node.style.width = `${this.wide}px`;
    this.stage.style.height = `${this.high}px`;
  }

  // Draw pixels (C * height * width, 0 to 255), channel by channel; a single channel as dark ink on white.
  show(pixels) {
    const size = this.width * this.height;
    const image = new ImageData(this.width, this.height);
    for (let n = 0; n < size; n++) {
      for (let c = 0; c < 3; c++) image.data[4 * n + c] = pixels.length > size ? pixels[n + c * size] : 255 - pixels[n];
      image.data[4 * n + 3] = 255;
    }
    this.small.getContext("2d").putImageData(image, 0, 0);
    const context = fresh(this.base, this.ratio);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.small, 0, 0, this.wide, this.high);
    return context;
  }

  // The place of a cell: left, upper, wide, high.
  box(n) {
    const [wide, high] = [this.wide / this.columns, this.high / this.rows];
    return [(n % this.columns) * wide, Math.floor(n / this.columns) * high, wide, high];
  }

  // The cell under a point, or null.
  at(event) {
    const [x, y] = within(this.stage, event);
    if (x < 0 || y < 0 || x >= this.wide || y >= this.high) return null;
    return Math.floor((y / this.high) * this.rows) * this.columns + Math.floor((x / this.wide) * this.columns);
  }

  // The cell that a key leads to, or null where it is no such key.
  step(n, key) {
    if (key === "Home" || key === "End") return key === "Home" ? 0 : this.rows * this.columns - 1;
    if (!(key in ARROWS)) return null;
    const [down, right] = ARROWS[key];
    const row = clamp(Math.floor(n / this.columns) + down, 0, this.rows - 1);
    return row * this.columns + clamp((n % this.columns) + right, 0, this.columns - 1);
  }

  // Lines between the cells, in pieces of black and white: seen on any image.
  lines(context) {
    context.lineWidth = 1;
    const middle = (k, long, cells) => Math.round((k * long) / cells) + 0.5;
    for (const [color, dash] of [["rgba(0,0,0,.55)", []], ["rgba(255,255,255,.55)", [3, 3]]]) {
      context.strokeStyle = color;
      context.setLineDash(dash);
      context.beginPath();
      for (let j = 1; j < this.columns; j++) {
        context.moveTo(middle(j, this.wide, this.columns), 0);
        context.lineTo(middle(j, this.wide, this.columns), this.high);
      }
      for (let i = 1; i < this.rows; i++) {
        context.moveTo(0, middle(i, this.high, this.rows));
        context.lineTo(this.wide, middle(i, this.high, this.rows));
      }
      context.stroke();
    }
    context.setLineDash([]);
  }

  // A black and white frame around a cell, inside it: seen on any image. Held: double.
  frame(context, n, held = false) {
    const [x, y, w, h] = this.box(n);
    context.lineWidth = 2;
    for (let k = 0; k < (held ? 5 : 3); k++) {
      context.strokeStyle = k % 2 ? "#fff" : "#000";
      context.strokeRect(x + 1 + 2 * k, y + 1 + 2 * k, w - 2 - 4 * k, h - 2 - 4 * k);
    }
  }

  place(n) {
    return `row\u00a0${Math.floor(n / this.columns) + 1}, column\u00a0${(n % this.columns) + 1}`;
  }
}

// ---- what both modes share

class Playground extends View {
  constructor(model, settings) {
    super(model, "lec-playground", [...settings, "asked", "answer", "drawing", "image", "own"]);
    [this.n, this.channels, this.height, this.width] = this.data.shape;
    [this.rows, this.columns] = [this.data.rows, this.data.columns];
    this.patches = this.rows * this.columns;
    this.images = bytes(this.data.images);
    this.size = this.channels * this.height * this.width;
    this.pending = new Map(); // what has changed and the kernel has not been asked about
    this.timers = new Map();
    this.spoken = ""; // what the last key did
    this.readDrawing();
    this.root.dataset.mode = this.data.mode;
    this.controls = make("div", { class: "controls", role: "group", "aria-label": "settings" });
    this.body = make("div", { class: "body" });
    this.root.append(this.controls, this.body, this.status);
    this.buildChoice();
  }

  start(host) {
    super.start(host);
    this.hear();
  }

  remove() {
    super.remove();
    for (const timer of this.timers.values()) clearTimeout(timer);
  }

  // A picture in patches.
  picture(kind, name = null) {
    return new Picture(kind, [this.height, this.width], [this.rows, this.columns], name);
  }

  // ---- questions and answers

  // Change settings that the kernel has to answer; its number comes last, so that another view finds all of it.
  ask(changes) {
    const soon = [...this.pending.values()].map((read) => read());
    this.pending.clear();
    this.set({ ...Object.assign({}, ...soon), ...changes, asked: this.get("asked") + 1 });
    this.later("slow", SLOW, () => this.draw("late"));
  }

  // Ask, but while the hand moves only now and then, and once at the end: `read` says then what has changed.
  askSoon(what, read) {
    this.pending.set(what, read);
    const send = () => {
      this.ask({});
      this.later("pause", PAUSE, () => this.pending.size && send());
    };
    if (!this.timers.has("pause")) send();
  }

  later(name, wait, action) {
    clearTimeout(this.timers.get(name));
    this.timers.set(name, setTimeout(() => {
      this.timers.delete(name);
      action();
    }, wait));
  }

  get late() {
    return this.get("answer").number < this.get("asked");
  }

  // Whether what is shown as answered is not yet the answer to all that has changed.
  get waiting() {
    return this.late || this.pending.size > 0;
  }

  // Whether the answer is to another image than the one that is shown.
  get unknown() {
    const { image, own } = this.reply;
    return own !== this.get("own") || (!own && image !== this.get("image"));
  }

  changed(name) {
    if (name === "answer") this.hear();
    if (name === "asked") this.asked();
    if (name === "drawing") this.readDrawing();
    this.draw(name);
  }

  asked() {}

  // Take an answer, unless something newer has been asked.
  hear() {
    if (this.late) return;
    this.reply = this.get("answer");
    this.answered();
  }

  // ---- images

  // What is shown: 0 to 255, channel by channel.
  get pixels() {
    return this.get("own") ? this.drawn.map((v) => Math.round(255 * v)) : this.given;
  }

  get given() {
    return this.images.subarray(this.get("image") * this.size, (this.get("image") + 1) * this.size);
  }

  readDrawing() {
    const rows = this.get("drawing");
    this.drawn = Float64Array.from(rows === null ? new Array(this.height * this.width).fill(0) : rows.flat());
  }

  buildChoice() {
    const go = (by) => this.ask({ image: (this.get("image") + by + this.n) % this.n, own: false });
    const arrows = [["◀", -1, "previous image"], ["▶", 1, "next image"]];
    const [back, on] = arrows.map(([text, by, name]) => button(text, () => go(by), { "aria-label": name }));
    this.which = make("span", { class: "which" });
    this.controls.append(make("span", { class: "group" }, back, this.which, on));
    back.disabled = on.disabled = this.n === 1;
    if (this.channels > 1) return;
    const { box, node } = checkbox("draw my own", (own) => this.ask({ own, drawing: this.rowsOf() }));
    this.ownBox = box;
    this.controls.append(node);
  }

  // ---- drawing with the pointer or the keys, on a picture whose cells are pixels

  buildPad() {
    const size = [this.height, this.width];
    const name = "your drawing; the arrow keys move through its pixels, Space fills or empties one";
    this.pad = new Picture("pad", size, size, name);
    this.padAt = 0;
    let last = null;
    const { stage } = this.pad;
    const point = (event) => within(stage, event).map((each) => each / this.pad.pixel);
    stage.addEventListener("pointerdown", (event) => {
      if (!this.get("own") || event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      last = point(event);
      this.stroke(last, last);
    });
    stage.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const to = point(event);
      this.stroke(last, to);
      last = to;
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { last = null; });
    this.byKeys(this.pad, "padAt", () => this.get("own"), (n) => {
      this.drawn[n] = this.drawn[n] < 0.5 ? 1 : 0;
      this.sketched();
    }, (n, place) => `Pixel in ${place}: ${this.drawn[n] < 0.5 ? "empty" : "filled"}.`);
    this.pens = radios({ pen: "pen", eraser: "eraser" }, "draw with", () => {});
    this.pens.show("pen");
    this.padTools = make("div", { class: "tools" }, this.pens.node, button("clear", () => this.refill(() => 0)),
      button("copy the image", () => this.refill((n) => this.given[n] / 255)));
  }

  // Work a picture with the keys: the arrows move `this[at]`, Space and Enter turn a cell, and what it is then is said.
  byKeys(picture, at, live, turn, says) {
    picture.stage.addEventListener("keydown", (event) => {
      const key = plainKey(event);
      const to = picture.step(this[at], key);
      if (!live() || (to === null && key !== " " && key !== "Enter")) return;
      if (to === null) turn(this[at]);
      else this[at] = to;
      event.preventDefault();
      this.spoken = says(this[at], picture.place(this[at]));
      this.draw("keys");
    });
    for (const event of ["focus", "blur"]) {
      picture.stage.addEventListener(event, () => {
        this.spoken = "";
        this.draw("focus");
      });
    }
  }

  refill(value) {
    this.drawn = this.drawn.map((_, n) => value(n));
    this.sketched();
  }

  // Each pixel gets as much ink as the line passes near its middle: strokes with soft edges, as the digits have.
  stroke([x0, y0], [x1, y1]) {
    const radius = Math.max(1, Math.max(this.height, this.width) / 16);
    const erase = this.pens.inputs[1].checked;
    const long = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    this.drawn.forEach((old, n) => {
      const [x, y] = [(n % this.width) + 0.5, Math.floor(n / this.width) + 0.5];
      const t = long ? clamp(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / long, 0, 1) : 0;
      const ink = clamp(1.25 * radius - Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)), 0, 1);
      this.drawn[n] = erase ? Math.min(old, 1 - ink) : Math.max(old, ink);
    });
    this.sketched();
  }

  sketched() {
    this.draw("drawing");
    this.askSoon("drawing", () => ({ drawing: this.rowsOf() }));
  }

  rowsOf() {
    const rounded = Array.from(this.drawn, (v) => Math.round(1000 * v) / 1000);
    return Array.from({ length: this.height }, (_, i) => rounded.slice(i * this.width, (i + 1) * this.width));
  }

  // The cursor of the keys on the pad, while it has the focus.
  paintPad() {
    const context = fresh(this.pad.over, this.ratio);
    if (this.get("own") && this.pad.stage.matches(":focus-visible")) this.pad.frame(context, this.padAt);
  }

  paint() {
    setText(this.which, this.get("own") ? "own drawing" : `image ${this.get("image") + 1} of ${this.n}`);
    if (this.ownBox) this.ownBox.checked = this.get("own");
    this.root.dataset.waiting = this.waiting;
    this.layout();
    this.show();
    const silent = this.late && !this.timers.has("slow");
    const unheard = "The kernel does not answer: is it busy, or gone? Run the cell again.";
    setText(this.status, silent ? unheard : this.sentence());
  }
}

// ---- where a network looks

class Looking extends Playground {
  constructor(model) {
    super(model, ["view", "layer", "head", "selected", "scale"]);
    this.first = this.data.cls_token ? 1 : 0;
    this.T = this.patches + this.first;
    this.pointer = null; // the query under the pointer: a patch, "class" or null
    this.marked = null; // the query that the keyboard has reached, while the focus is there
    this.main = this.picture("main", "image in patches; the arrow keys move through them, Enter holds one");
    this.wire();
    if (this.first) {
      this.classToken = button("class token", () => this.lock("class"), {
        class: "class-token", "aria-pressed": "false",
        pointerenter: () => this.point("class"), pointerleave: () => this.point(null),
        focus: () => this.mark("class"), blur: () => this.mark(null),
      });
      this.main.stage.before(this.classToken);
    }
    this.main.node.append(this.buildLegend());
    const panel = make("div", { class: "panel" }, this.buildSays());
    if (this.channels === 1) {
      this.buildPad();
      setText(this.pad.caption, "draw here");
      this.padBox = make("div", { class: "pad-box" }, this.pad.node, this.padTools);
      panel.append(this.padBox);
    }
    const title = "colors end at the largest of";
    this.ends = radios({ query: "this map", image: "all maps of the image" }, title, (scale) => this.set({ scale }));
    this.controls.append(make("span", { class: "labelled" }, title, this.ends.node));
    this.body.append(this.buildMaps(), this.main.node, panel);
  }

  wire() {
    const { stage } = this.main;
    const held = () => this.get("selected");
    stage.addEventListener("pointermove", (event) => this.point(this.main.at(event)));
    stage.addEventListener("pointerleave", () => this.point(null));
    stage.addEventListener("click", (event) => {
      const patch = this.main.at(event);
      if (patch === null) return;
      this.marked = patch; // the keys go on from here
      this.lock(patch);
    });
    stage.addEventListener("focus", () => this.mark(Number.isInteger(held()) ? held() : this.marked ?? 0));
    stage.addEventListener("blur", () => this.mark(null));
    stage.addEventListener("keydown", (event) => {
      const key = plainKey(event);
      const from = Number.isInteger(this.marked) ? this.marked : 0;
      const to = this.main.step(from, key);
      if (to !== null) {
        this.pointer = null;
        if (held() !== null && !this.still) this.set({ selected: to });
        this.mark(to);
      } else if (key === "Enter" || key === " ") this.lock(from);
      else return;
      event.preventDefault();
    });
  }

  // The small maps: for each layer its heads and their mean, then rollout and occlusion. Each is a choice.
  buildMaps() {
    const { num_layers: L, num_heads: H } = this.data;
    this.choices = [];
    this.maps = new SmallMaps("map", "map", (n) => this.set(this.choices[n]));
    this.maps.across = H + 1;
    this.maps.node.style.gridTemplateColumns = `auto repeat(${H + 1}, auto)`;
    const caption = (text) => hidden("span", { class: "caption", text });
    const add = (choice, name, ...beside) => {
      this.choices.push(choice);
      return this.maps.add(name, ...beside);
    };
    this.maps.node.append(caption("head"), ...Array.from({ length: H }, (_, h) => caption(h + 1)), caption("mean"));
    for (let layer = 0; layer < L; layer++) {
      const name = `layer ${layer + 1}`;
      const heads = Array.from({ length: H }, (_, head) =>
        add({ view: "head", layer, head }, `${name}, head ${head + 1}`));
      this.maps.node.append(caption(name), ...heads, add({ view: "mean of heads", layer }, `${name}, mean of heads`));
    }
    const others = ["rollout", "occlusion"].map((view) => add({ view }, view, hidden("span", { text: view })));
    this.maps.node.append(make("div", { class: "others" }, ...others));
    return this.maps.node;
  }

  buildLegend() {
    [this.low, this.high, this.unit] = [make("span"), make("span"), make("span")];
    this.bar = hidden("canvas", { class: "bar" });
    return make("div", { class: "legend" }, make("span", { class: "scale" }, this.low, this.bar, this.high), this.unit);
  }

  buildSays() {
    this.verdict = make("div", { class: "verdict" });
    this.bars = this.data.classes.slice(0, 3).map(() => bar("…"));
    return make("div", { class: "says" }, make("div", { class: "caption", text: "the network says" }),
      ...this.bars.map((each) => each.node), this.verdict);
  }

  answered() {
    const { bits } = this.data;
    const unpack = (text) => {
      const packed = bytes(text);
      return Float64Array.from(bits === 16 ? new Uint16Array(packed.buffer) : packed, (v) => v / (2 ** bits - 1));
    };
    this.weights = unpack(this.reply.maps);
    this.rollout = unpack(this.reply.rollout);
    this.largest = this.weights.reduce((a, b) => Math.max(a, b), 0);
    this.order = argsort(this.reply.probabilities);
  }

  // ---- what mouse and keys do

  lock(query) {
    if (!this.still) super.lock(query);
  }

  // ---- numbers

  get chosen() {
    return this.choices.findIndex((choice) =>
      Object.entries(choice).every(([name, value]) => this.get(name) === value));
  }

  // Occlusion is one map for the image, not one for each query.
  get still() {
    return this.get("view") === "occlusion";
  }

  // The query that looks: what is held, or is pointed at; null is what the class is read from.
  get query() {
    return this.get("selected") ?? this.cursor;
  }

  get cursor() {
    return this.pointer ?? this.marked;
  }

  // Where a query looks in a map (T, T), from `start` of an array: T shares.
  rowOf(array, start, query) {
    const { T, first } = this;
    if (query !== null || first) {
      const at = start + (query === null || query === "class" ? 0 : query + first) * T;
      return array.subarray(at, at + T);
    }
    const mean = new Float64Array(T);
    for (let n = 0; n < T * T; n++) mean[n % T] += array[start + n] / T;
    return mean;
  }

  // What a map shows: the share of the class token (or null), and a number for each patch.
  valuesOf({ view, layer, head }, query) {
    if (view === "occlusion") return { token: null, patches: this.reply.occlusion };
    const H = this.data.num_heads;
    const weightsOf = (h) => this.rowOf(this.weights, (layer * H + h) * this.T ** 2, query);
    let row;
    if (view === "rollout") row = this.rowOf(this.rollout, 0, query);
    else if (view === "head") row = weightsOf(head);
    else {
      const rows = Array.from({ length: H }, (_, h) => weightsOf(h));
      row = rows[0].map((_, k) => rows.reduce((sum, each) => sum + each[k] / H, 0));
    }
    return { token: this.first ? row[0] : null, patches: row.subarray(this.first) };
  }

  endOf({ view }, { token, patches }) {
    if (this.get("scale") === "image" && (view === "head" || view === "mean of heads")) return this.largest || 1;
    return patches.reduce((most, v) => Math.max(most, Math.abs(v)), token ?? 0) || 1;
  }

  get label() {
    return this.get("own") || this.data.labels === null ? null : this.data.labels[this.get("image")];
  }

  // ---- drawing

  layout() {
    const { whole, ratio } = this;
    this.resizeMaps(Math.min(whole >= 900 ? 60 : 44, Math.max((whole - 84) / this.maps.across - 14, 8)));
    const beside = whole - this.maps.node.offsetWidth - 20;
    const panel = PANEL * parseFloat(getComputedStyle(this.root).fontSize) + 20;
    const layout = beside - panel >= 280 ? "wide" : beside >= 280 ? "middle" : "narrow";
    this.body.dataset.layout = layout;
    this.main.resize(Math.min({ wide: beside - panel, middle: beside, narrow: whole }[layout], 440), ratio);
    if (!this.pad) return;
    this.padBox.hidden = !this.get("own");
    this.pad.resize(176, ratio);
  }

  // Whole pixels of the screen for each cell.
  resizeMaps(room) {
    const most = Math.min(Math.max((5 * room) / this.maps.across, 26), room) / Math.max(this.rows, this.columns);
    this.cell = Math.max(Math.floor(most * this.ratio), 1);
    const [wide, high] = [this.columns, this.rows].map((n) => (this.cell * n) / this.ratio);
    for (const { canvas } of this.maps.maps) resize(canvas, wide, high, this.ratio);
  }

  show() {
    const { query, cursor, pixels, main } = this;
    const choice = this.choices[this.chosen];
    this.mapName = this.maps.maps[this.chosen].name;
    main.lines(main.show(pixels));
    setText(main.caption, this.mapName);
    const shown = this.shown = this.unknown ? null : this.valuesOf(choice, query);
    const end = shown ? this.endOf(choice, shown) : 1;
    const context = fresh(main.over, this.ratio);
    shown?.patches.forEach((v, n) => wash(context, main.box(n), v / end, WASH, true));
    const inside = this.still ? cursor : query;
    if (Number.isInteger(inside)) main.frame(context, inside, this.get("selected") === inside && !this.still);
    if (Number.isInteger(cursor) && cursor !== inside) main.frame(context, cursor);
    if (this.classToken) this.paintToken(shown?.token ?? null, end);
    this.paintMaps();
    this.paintLegend(end);
    this.paintSays();
    this.ends.show(this.get("scale"));
    for (const input of this.ends.inputs) input.disabled = this.still || this.get("view") === "rollout";
    if (!this.pad) return;
    this.pad.show(pixels);
    this.paintPad();
  }

  paintToken(share, end) {
    const looks = this.query === "class" || (this.query === null && !this.still);
    setText(this.classToken, `class token${looks ? " (it looks)" : ""}${share === null ? "" : `: ${percent(share)}`}`);
    this.classToken.style.background = css(ORANGE, (WASH * share) / end);
    this.classToken.style.boxShadow = `inset 0 0 0 ${Math.round((8 * share) / end)}px ${css(ORANGE)}`;
    this.classToken.setAttribute("aria-pressed", this.get("selected") === "class");
    this.classToken.disabled = this.still;
  }

  paintMaps() {
    const { cell } = this;
    this.maps.show(this.chosen);
    this.maps.maps.forEach(({ canvas }, n) => {
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      if (this.unknown) return;
      const values = this.valuesOf(this.choices[n], this.query);
      const end = this.endOf(this.choices[n], values);
      values.patches.forEach((v, k) => {
        const [x, y] = [(k % this.columns) * cell, Math.floor(k / this.columns) * cell];
        wash(context, [x, y, cell, cell], v / end, 1, false);
        if (v >= -0.05 * end || cell < 7) return;
        context.fillStyle = "#000"; // a minus: not by color alone
        context.fillRect(x + cell * 0.25, y + cell * 0.42, cell * 0.5, Math.max(cell * 0.16, 1));
      });
    });
  }

  paintLegend(end) {
    const signed = this.still && this.reply.occlusion.some((v) => v < 0);
    const [w, h, steps, start] = [132, 18, 6, signed ? -1 : 0];
    resize(this.bar, w, h, this.ratio);
    const context = fresh(this.bar, this.ratio);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, w, h);
    for (let k = 0; k < steps; k++) {
      wash(context, [(k * w) / steps, 0, w / steps, h], start + ((1 - start) * k) / (steps - 1), WASH, true);
    }
    const text = this.still ? points(end).replace(/\u00a0.*/, "") : percent(end);
    setText(this.low, signed ? `−${text}` : "0");
    setText(this.high, text);
    const share = this.get("view") === "rollout" ? "share" : "weight";
    setText(this.unit, this.still ? "points of probability lost without the patch" : share);
  }

  paintSays() {
    const { classes } = this.data;
    const { probabilities } = this.reply;
    this.bars.forEach((each, k) => {
      if (this.unknown) each.show("…", 0, "");
      else each.show(classes[this.order[k]], probabilities[this.order[k]], percent(probabilities[this.order[k]]));
    });
    const right = this.label === this.order[0] ? "right" : "wrong";
    setText(this.verdict, this.label === null || this.unknown ? "" : `true: ${classes[this.label]} — ${right}`);
    this.verdict.hidden = this.label === null;
  }

  // ---- words

  sentence() {
    if (this.spoken) return this.spoken;
    if (this.unknown) return "The network is looking …";
    const [named] = this.order;
    const { classes } = this.data;
    let says = `The network says ${classes[named]} with ${percent(this.reply.probabilities[named])}`;
    if (this.label !== null) says += this.label === named ? ", which is right" : `; it is ${classes[this.label]}`;
    return this.still ? this.aboutOcclusion(says, classes[named]) : this.aboutQuery(says);
  }

  aboutQuery(says) {
    const { query, cursor, main } = this;
    const { patches, token } = this.shown;
    const most = argsort(patches).slice(0, 3).map((n) => [main.place(n), patches[n]]);
    if (token !== null) most.push(["the class token", token]);
    const list = most.sort((a, b) => b[1] - a[1]).slice(0, 3).map(([name, share]) => `${name} (${percent(share)})`);
    let who = this.first ? "the class token" : "the mean of all patches";
    if (Number.isInteger(query)) who = `the patch in ${main.place(query)}`;
    const rollout = this.get("view") === "rollout";
    const where = rollout ? "Rollout" : `L${this.mapName.slice(1)}`;
    const verb = rollout ? "holds, by the maps of all layers, most of" : "looks most at";
    const text = `${where}: ${who} ${verb} ${best(list)}.`;
    if (query === null) return `${says}. ${text} Point at a patch to see where it looks; a click holds it.`;
    const other = Number.isInteger(cursor) && cursor !== query;
    const here = other ? ` Here, ${main.place(cursor)}: ${percent(patches[cursor])}.` : "";
    return `${text}${here}${this.get("selected") === null ? "" : " Held: Escape lets go."}`;
  }

  aboutOcclusion(says, name) {
    const { cursor, main } = this;
    const { patches } = this.shown;
    const change = (n) => {
      const moves = patches[n] >= 0 ? "falls" : "rises";
      return `${main.place(n)} the probability of ${name} ${moves} by ${points(patches[n])}`;
    };
    if (Number.isInteger(cursor)) return `Without the patch in ${change(cursor)}.`;
    const [first] = argsort(patches);
    const covering = `${says}. Covering one patch at a time:`;
    if (patches[first] <= 0) return `${covering} no patch lowers the probability of ${name}.`;
    return `${covering} without ${change(first)}, the most. Point at a patch to read its change.`;
  }
}

// ---- hide patches, and see them painted

class Hiding extends Playground {
  constructor(model) {
    super(model, ["ratio", "kind", "painter", "whole"]);
    this.asked();
    this.hatching = hatching("#555", 1);
    this.cursor = null; // the patch under the pointer
    this.at = 0; // the patch that the keyboard has reached
    this.buildControls();
    if (this.channels === 1) {
      this.buildPad();
      this.left = this.pad;
      this.left.node.append(this.padTools);
    } else this.left = this.picture("left");
    const keys = "the arrow keys move through them, Space hides or shows one";
    this.middle = this.picture("middle", `patches to hide and show; ${keys}`);
    setText(this.middle.caption, "mask: click or drag");
    this.right = this.picture("right");
    this.message = make("div", { class: "message" });
    this.right.stage.append(this.message);
    [this.made, this.mean] = [bar(""), bar("mean of the visible pixels")];
    const title = make("div", { class: "caption", text: "mean squared error on the hidden patches" });
    this.wire();
    const pictures = [this.left, this.middle, this.right].map((each) => each.node);
    this.body.append(make("div", { class: "pictures" }, ...pictures),
      make("div", { class: "errors" }, title, this.made.node, this.mean.node));
  }

  buildControls() {
    const slide = () => {
      this.sliding = true;
      this.draw("slider");
      this.askSoon("ratio", () => this.redrawn({ ratio: this.slider.value / this.patches }));
    };
    this.slider = make("input", { type: "range", min: 1, max: this.patches - 1, step: 1,
      "aria-label": "share of hidden patches", input: slide });
    this.share = hidden("span", { class: "number" });
    const kinds = this.data.kinds.map((kind) =>
      button(kind, () => this.ask(this.redrawn({ kind, ratio: this.wanted }))));
    const none = button("show all", () => this.ask(this.covered(this.mask.fill(0))));
    const { box, node } = checkbox("paint the visible ones, too", (whole) => this.set({ whole }));
    this.wholeBox = box;
    this.controls.append(make("span", { class: "labelled" }, "hide", this.slider, this.share),
      make("span", { class: "group", role: "group", "aria-label": "hide again" }, ...kinds, none));
    if (this.data.painters.length > 1) {
      const texts = Object.fromEntries(this.data.painters.map((name) => [name, name]));
      this.painters = radios(texts, "painted by", (painter) => this.ask({ painter }));
      this.controls.append(make("span", { class: "labelled" }, "painted by", this.painters.node));
    }
    this.controls.append(node);
  }

  wire() {
    const { stage } = this.middle;
    let value = null; // what a drag does: 1 hides, 0 shows
    const reach = (n) => {
      if (n !== this.cursor) this.draw("hover");
      this.cursor = n;
    };
    stage.addEventListener("pointerdown", (event) => {
      const n = this.middle.at(event);
      if (n === null || event.button !== 0) return;
      stage.setPointerCapture(event.pointerId);
      this.at = n;
      value = 1 - this.mask[n];
      this.turn(n, value);
    });
    stage.addEventListener("pointermove", (event) => {
      const n = this.middle.at(event);
      reach(n);
      if (n !== null && value !== null && this.mask[n] !== value) this.turn(n, value);
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { value = null; });
    stage.addEventListener("pointerleave", () => reach(null));
    this.byKeys(this.middle, "at", () => true, (n) => this.turn(n, 1 - this.mask[n]),
      (n, place) => `The patch in ${place} is ${this.mask[n] ? "hidden" : "visible"}.`);
  }

  turn(n, value) {
    this.mask[n] = value;
    this.draw("mask");
    this.askSoon("mask", () => this.covered(this.mask));
  }

  covered(mask) {
    return { mask: Array.from(mask, Boolean) };
  }

  // A mask that the kernel draws: by another seed, unless the ratio alone is new.
  redrawn(changes) {
    const same = !("kind" in changes) && changes.ratio !== this.get("ratio");
    return same ? changes : { ...changes, seed: this.get("seed") + 1 };
  }

  get hiddenCount() {
    return this.mask.reduce((sum, each) => sum + each, 0);
  }

  // The ratio for another mask: as much as is hidden now.
  get wanted() {
    return this.hiddenCount % this.patches ? this.hiddenCount / this.patches : this.get("ratio");
  }

  asked() {
    this.mask = Uint8Array.from(this.get("mask"), Number);
  }

  answered() {
    const mask = Uint8Array.from(this.reply.mask, Number);
    if (!this.pending.has("mask")) this.mask = mask.slice(); // else the hand is further
    this.sliding = this.pending.has("ratio");
    this.painted = this.reply.pixels === null ? null : { pixels: bytes(this.reply.pixels), mask };
  }

  // ---- drawing

  layout() {
    const three = (Math.min(this.whole, 1000) - 2 * 20) / 3;
    const stacked = three < 130;
    this.body.dataset.layout = stacked ? "narrow" : "wide";
    const room = Math.min(stacked ? this.whole : three, 320);
    for (const each of [this.left, this.middle, this.right]) each.resize(room, this.ratio);
  }

  show() {
    const { pixels } = this;
    const own = this.get("own");
    this.left.show(pixels);
    setText(this.left.caption, own ? "draw here" : "original");
    if (this.pad) {
      this.padTools.hidden = !own;
      this.pad.stage.tabIndex = own ? 0 : -1;
      this.pad.stage.dataset.live = own;
      this.pad.stage.setAttribute("aria-label", own ? this.pad.name : "the original");
      this.paintPad();
    }
    this.paintMiddle(pixels);
    this.paintRight(pixels);
    this.paintErrors();
    if (!this.sliding) this.slider.value = clamp(this.hiddenCount, 1, this.patches - 1);
    const count = this.sliding ? Number(this.slider.value) : this.hiddenCount;
    const text = `${Math.round((100 * count) / this.patches)}\u00a0%, ${count} of ${this.patches}`;
    setText(this.share, text);
    this.slider.setAttribute("aria-valuetext", text);
    this.wholeBox.checked = this.get("whole");
    this.painters?.show(this.get("painter"));
  }

  paintMiddle(pixels) {
    const context = this.middle.show(pixels);
    context.beginPath();
    this.mask.forEach((covered, n) => covered && context.rect(...this.middle.box(n)));
    for (const fill of ["#bdbdbd", this.hatching]) {
      context.fillStyle = fill;
      context.fill();
    }
    this.middle.lines(context);
    const over = fresh(this.middle.over, this.ratio);
    const shown = this.cursor ?? (this.middle.stage.matches(":focus-visible") ? this.at : null);
    if (shown !== null) this.middle.frame(over, shown);
  }

  paintRight(pixels) {
    const failed = this.waiting ? "" : this.reply.message;
    const whole = this.get("whole");
    setText(this.message, failed);
    this.message.hidden = !failed;
    setText(this.right.caption, whole ? "all as painted" : "reconstruction");
    if (this.painted === null || failed) {
      fresh(this.right.base, this.ratio);
      return;
    }
    const { pixels: made, mask } = this.painted;
    if (!whole && !this.unknown) {
      const [high, wide] = [this.height / this.rows, this.width / this.columns];
      const patchOf = (n) => {
        const [i, j] = [Math.floor(n / this.width) % this.height, n % this.width];
        return Math.floor(i / high) * this.columns + Math.floor(j / wide);
      };
      this.last = made.map((v, n) => (mask[patchOf(n)] ? v : pixels[n]));
    }
    this.right.show(whole ? made : this.last ?? made); // of another image: the old one, until the new comes
  }

  paintErrors() {
    const { error, mean_error: mean } = this.reply;
    const most = Math.max(error ?? 0, mean ?? 0, 1e-9);
    const show = (row, name, value) => row.show(name, (value ?? 0) / most, value?.toFixed(4) ?? "–");
    show(this.made, this.get("painter"), error);
    show(this.mean, "mean of the visible pixels", mean);
  }

  sentence() {
    const { error, mean_error: mean, message } = this.reply;
    const counted = `${this.hiddenCount} of ${this.patches} patches hidden.`;
    const spoken = this.spoken ? `${this.spoken} ` : "";
    if (this.waiting) return `${spoken}${counted}`;
    if (message) return `${spoken}${message}`;
    const hint = this.spoken ? "" : " Click or drag over the patches in the middle to hide and show them.";
    return `${spoken}${counted} Error on them: ${error.toFixed(4)} by ${this.get("painter")}, `
      + `${mean.toFixed(4)} by the mean of the visible pixels.${hint}`;
  }
}

export default figure(({ mode }) => ({ attention: Looking, masking: Hiding })[mode]);
