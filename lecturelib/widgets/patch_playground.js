// The patch playground in the page: it draws, and echoes mouse and keys at once; the kernel answers what a network does.
// The model holds `data` (fixed), the settings and the last `answer`. Each question has a number, `asked`; an answer
// to an older question than the last is dropped.

const ORANGE = [213, 94, 0]; // seen on ink and on paper, as is the blue
const BLUE = [0, 114, 178];
const WASH = 0.4; // how much of an image the strongest color covers
const PAUSE = 100; // milliseconds between two questions while the hand moves
const SLOW = 3000; // milliseconds without an answer until that is said

// ---- small helpers --------------------------------------------------------------------------------------------------

const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

function make(tag, options = {}, ...children) {
  const { text, ...attributes } = options;
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

function button(text, action, options = {}) {
  const node = make("button", { type: "button", text, ...options });
  node.addEventListener("click", action);
  return node;
}

function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "under 0.1\u00a0%";
  return `${value < 1 && value > 0 ? value.toFixed(1) : Math.round(value)}\u00a0%`;
}

function points(change) {
  const value = 100 * Math.abs(change);
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}\u00a0points`;
}

const clamp = (n, low, high) => Math.min(Math.max(n, low), high);
const css = (color, alpha = 1) => `rgba(${color.join(",")},${alpha})`;

// The key, or null where a modifier makes it another one.
const plainKey = (event) => (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey ? null : event.key);
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// ---- a picture with cells that one can point at ---------------------------------------------------------------------

// An image of height x width pixels on a canvas, and over it a canvas for all that moves. With a `name` it takes the
// focus and the keys.
class Picture {
  constructor(caption, [height, width], [rows, columns], name = null) {
    Object.assign(this, { height, width, rows, columns });
    this.base = make("canvas", { "aria-hidden": "true" });
    this.over = make("canvas", { "aria-hidden": "true" });
    this.stage = make("div", { class: "stage" }, this.base, this.over);
    this.name = name;
    if (name !== null) {
      for (const [key, value] of [["tabindex", 0], ["role", "application"], ["aria-roledescription", "picture"],
        ["aria-label", name]]) this.stage.setAttribute(key, value);
    }
    this.caption = make("div", { class: "caption", text: caption });
    this.note = make("div", { class: "note" });
    this.node = make("div", { class: "picture" }, this.caption, this.stage, this.note);
    this.small = make("canvas", { width, height });
    this.pixel = 1; // how large a pixel of the image is shown, in pixels of the page
  }

  // Make it as large as fits into so many pixels of the page; all pixels of the image are equally large.
  resize(room, ratio) {
    this.ratio = ratio;
    this.pixel = Math.max(Math.floor((room * ratio) / Math.max(this.width, this.height)), 1) / ratio;
    this.wide = this.pixel * this.width;
    this.high = this.pixel * this.height;
    for (const canvas of [this.base, this.over]) {
      const [w, h] = [this.wide, this.high].map((n) => Math.round(n * ratio));
      if (canvas.width !== w) canvas.width = w;
      if (canvas.height !== h) canvas.height = h;
      canvas.style.width = `${this.wide}px`;
      canvas.style.height = `${this.high}px`;
    }
    for (const node of [this.stage, this.node]) node.style.width = `${this.wide}px`;
    this.stage.style.height = `${this.high}px`;
  }

  fresh(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.wide, this.high);
    return context;
  }

  // Draw pixels (C * height * width, 0 to 255), channel by channel; a single channel as dark ink on white.
  show(pixels) {
    const size = this.width * this.height;
    const step = pixels.length > size ? size : 0;
    const image = new ImageData(this.width, this.height);
    for (let n = 0; n < size; n++) {
      for (let c = 0; c < 3; c++) image.data[4 * n + c] = step ? pixels[n + c * step] : 255 - pixels[n];
      image.data[4 * n + 3] = 255;
    }
    this.small.getContext("2d").putImageData(image, 0, 0);
    const context = this.fresh(this.base);
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
  at({ offsetX: x, offsetY: y }) {
    if (x < 0 || y < 0 || x >= this.wide || y >= this.high) return null;
    return Math.floor((y / this.high) * this.rows) * this.columns + Math.floor((x / this.wide) * this.columns);
  }

  // The cell that a key leads to, or null where it is no such key.
  step(n, key) {
    const end = this.rows * this.columns - 1;
    if (key === "Home" || key === "End") return key === "Home" ? 0 : end;
    if (!(key in MOVES)) return null;
    const [down, right] = MOVES[key];
    const row = clamp(Math.floor(n / this.columns) + down, 0, this.rows - 1);
    return row * this.columns + clamp((n % this.columns) + right, 0, this.columns - 1);
  }

  lines(context) {
    context.lineWidth = 1;
    for (const [color, dash] of [["rgba(0,0,0,.55)", 0], ["rgba(255,255,255,.55)", 3]]) {
      context.strokeStyle = color;
      context.setLineDash(dash ? [dash, dash] : []);
      context.beginPath();
      for (let j = 1; j < this.columns; j++) {
        const x = Math.round((j * this.wide) / this.columns) + 0.5;
        context.moveTo(x, 0);
        context.lineTo(x, this.high);
      }
      for (let i = 1; i < this.rows; i++) {
        const y = Math.round((i * this.high) / this.rows) + 0.5;
        context.moveTo(0, y);
        context.lineTo(this.wide, y);
      }
      context.stroke();
    }
    context.setLineDash([]);
  }

  // A black and white frame around a cell, inside it: seen on any image. Held: double.
  frame(context, n, held = false) {
    const [x, y, w, h] = this.box(n);
    const rings = held ? ["#000", "#fff", "#000", "#fff", "#000"] : ["#000", "#fff", "#000"];
    rings.forEach((color, k) => {
      context.strokeStyle = color;
      context.lineWidth = 2;
      context.strokeRect(x + 1 + 2 * k, y + 1 + 2 * k, w - 2 - 4 * k, h - 2 - 4 * k);
    });
  }

  place(n) {
    return `row\u00a0${Math.floor(n / this.columns) + 1}, column\u00a0${(n % this.columns) + 1}`;
  }
}

// Color a cell: the larger the share (-1 to 1) the stronger, with a wider frame; below 0 blue, the frame in pieces.
function wash(context, [x, y, w, h], share, strength, framed) {
  const size = Math.min(Math.abs(share), 1);
  const color = share < 0 ? BLUE : ORANGE;
  context.fillStyle = css(color, strength * size);
  context.fillRect(x, y, w, h);
  if (!framed) return;
  const wide = 0.13 * size * Math.min(w, h);
  if (wide < 0.7) return;
  context.strokeStyle = css(color);
  context.lineWidth = wide;
  context.setLineDash(share < 0 ? [Math.min(w, h) / 7, Math.min(w, h) / 14] : []);
  context.strokeRect(x + 0.5 + wide / 2, y + 0.5 + wide / 2, w - 1 - wide, h - 1 - wide);
  context.setLineDash([]);
}

// ---- what both modes share ------------------------------------------------------------------------------------------

class Playground {
  constructor(model, host) {
    this.model = model;
    this.data = model.get("data");
    const [n, channels, height, width] = this.data.shape;
    Object.assign(this, { n, channels, height, width, rows: this.data.rows, columns: this.data.columns });
    this.patches = this.rows * this.columns;
    this.images = bytes(this.data.images);
    this.size = channels * height * width;
    this.id = Math.random().toString(36).slice(2); // each figure of a page loads this file anew: a count would repeat
    this.frame = 0;
    this.pending = new Map(); // what has changed and the kernel has not been asked about
    this.timers = new Map();
    this.spoken = ""; // what the last key did
    this.readDrawing();
    this.root = make("div", { class: "lec-playground" });
    this.root.dataset.mode = this.data.mode;
    this.root.addEventListener("keydown", (event) => this.keyAnywhere(event));
    this.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
    this.controls = make("div", { class: "controls", role: "group", "aria-label": "settings" });
    this.body = make("div", { class: "body" });
    this.buildChoice();
    this.build();
    this.root.append(this.controls, this.body, this.status);
    host.append(this.root);
    this.listeners = [...this.constructor.settings, "asked", "answer", "drawing", "image", "own"].map((name) =>
      [`change:${name}`, () => this.changed(name)]);
    for (const [event, listener] of this.listeners) model.on(event, listener);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.root);
    this.hear();
    this.draw();
  }

  remove() {
    for (const [event, listener] of this.listeners) this.model.off(event, listener);
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    this.frame = -1; // and none is asked for again
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.root.remove();
  }

  get(name) {
    return this.model.get(name);
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  // ---- questions and answers

  // Change settings that the kernel has to answer; its number comes last, so that another view finds all of it.
  ask(changes) {
    const soon = [...this.pending.values()].map((read) => read());
    this.pending.clear();
    this.set({ ...Object.assign({}, ...soon), ...changes, asked: this.get("asked") + 1 });
    this.later("slow", SLOW, () => this.draw());
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

  get silent() {
    return this.late && !this.timers.has("slow");
  }

  changed(name) {
    if (name === "answer") this.hear();
    if (name === "asked") this.asked();
    if (name === "drawing") this.readDrawing();
    this.draw();
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
    if (this.get("own")) return this.drawn.map((v) => Math.round(255 * v));
    return this.images.subarray(this.get("image") * this.size, (this.get("image") + 1) * this.size);
  }

  readDrawing() {
    const rows = this.get("drawing");
    this.drawn = Float64Array.from(rows === null ? new Array(this.height * this.width).fill(0) : rows.flat());
  }

  buildChoice() {
    const go = (by) => this.ask({ image: (this.get("image") + by + this.n) % this.n, own: false });
    this.back = button("◀", () => go(-1), { "aria-label": "previous image" });
    this.on = button("▶", () => go(1), { "aria-label": "next image" });
    this.which = make("span", { class: "which" });
    this.controls.append(make("span", { class: "group" }, this.back, this.which, this.on));
    this.back.disabled = this.on.disabled = this.n === 1;
    if (this.channels > 1) return;
    this.ownBox = make("input", { type: "checkbox" });
    this.ownBox.addEventListener("change", () => this.ask({ own: this.ownBox.checked, drawing: this.rowsOf() }));
    this.controls.append(make("label", {}, this.ownBox, "draw my own"));
  }

  get title() {
    if (this.get("own")) return "own drawing";
    return `image ${this.get("image") + 1} of ${this.n}`;
  }

  radios(setting, values, label, choose) {
    const node = make("span", { class: "group", role: "radiogroup", "aria-label": label });
    const inputs = Object.entries(values).map(([value, text]) => {
      const input = make("input", { type: "radio", name: `lec-${this.id}-${setting}`, value });
      input.addEventListener("change", () => choose(value));
      node.append(make("label", {}, input, text));
      return input;
    });
    return { node, inputs, show: (value) => inputs.forEach((input) => { input.checked = input.value === value; }) };
  }

  // ---- drawing with the pointer or the keys, on a picture whose cells are pixels

  buildPad() {
    this.pad = new Picture("", [this.height, this.width], [this.height, this.width],
      "your drawing; the arrow keys move through its pixels, Space fills or empties one");
    this.pad.node.classList.add("pad");
    this.padAt = 0;
    const { stage } = this.pad;
    let last = null;
    const point = (event) => [event.offsetX / this.pad.pixel, event.offsetY / this.pad.pixel];
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
    stage.addEventListener("keydown", (event) => {
      if (!this.get("own")) return;
      const key = plainKey(event);
      const to = this.pad.step(this.padAt, key);
      if (to !== null) this.padAt = to;
      else if (key === " " || key === "Enter") {
        this.drawn[this.padAt] = this.drawn[this.padAt] < 0.5 ? 1 : 0;
        this.sketched();
      } else return;
      event.preventDefault();
      this.spoken = `Pixel in ${this.pad.place(this.padAt)}: ${this.drawn[this.padAt] < 0.5 ? "empty" : "filled"}.`;
      this.draw();
    });
    this.watchFocus(stage);
    this.pens = this.radios("pen", { pen: "pen", eraser: "eraser" }, "draw with", () => {});
    this.pens.show("pen");
    this.padTools = make("div", { class: "tools" }, this.pens.node,
      button("clear", () => this.fill(() => 0)),
      button("copy the image", () => {
        const from = this.images.subarray(this.get("image") * this.size, (this.get("image") + 1) * this.size);
        this.fill((n) => from[n] / 255);
      }));
  }

  watchFocus(stage) {
    for (const event of ["focus", "blur"]) {
      stage.addEventListener(event, () => {
        this.spoken = "";
        this.draw();
      });
    }
  }

  fill(value) {
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
    this.draw();
    this.askSoon("drawing", () => ({ drawing: this.rowsOf() }));
  }

  rowsOf() {
    return Array.from({ length: this.height }, (_, i) =>
      Array.from(this.drawn.subarray(i * this.width, (i + 1) * this.width), (v) => Math.round(1000 * v) / 1000));
  }

  // The cursor of the keys on the pad, while it has the focus.
  paintPad() {
    const context = this.pad.fresh(this.pad.over);
    if (this.get("own") && this.pad.stage.matches(":focus-visible")) this.pad.frame(context, this.padAt);
  }

  // ---- keys

  // JupyterLab reads keys, too: it gets those that nothing here uses and that help there (running a cell, the pages of
  // a presentation), and no others, or a letter would cut a cell.
  keyAnywhere(event) {
    const theirs = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter")
      || /^(Page(Up|Down)|F\d+)$/.test(event.key);
    if (event.key === "Escape") {
      if (!this.letGo()) return;
      event.preventDefault();
    } else if (theirs) {
      // a slider that has the focus would take the page keys of a remote control
      if (event.target.type === "range" && event.key.startsWith("Page")) event.preventDefault();
      return;
    }
    event.stopPropagation();
  }

  letGo() {
    return false;
  }

  // ---- drawing, once in a frame at most

  draw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    this.ratio = window.devicePixelRatio || 1;
    const whole = this.root.clientWidth - 12; // without its padding
    if (whole <= 0) return;
    setText(this.which, this.title);
    if (this.ownBox) this.ownBox.checked = this.get("own");
    this.root.dataset.waiting = this.waiting;
    this.layout(whole);
    this.paint();
    setText(this.status, this.silent ? "The kernel does not answer: is it busy, or gone? Run the cell again." : this.sentence());
  }
}

// ---- where a network looks --------------------------------------------------------------------------------------------

class Looking extends Playground {
  static settings = ["view", "layer", "head", "selected", "scale"];

  build() {
    this.L = this.data.layers;
    this.H = this.data.heads;
    this.first = this.data.cls_token ? 1 : 0;
    this.T = this.patches + this.first;
    this.pointer = null; // the query under the pointer: a patch, "class" or null
    this.marked = null; // the query that the keyboard has reached, while the focus is there
    this.main = new Picture("", [this.height, this.width], [this.rows, this.columns],
      "image in patches; the arrow keys move through them, Enter holds one");
    this.main.node.classList.add("main");
    this.wire();
    const panel = make("div", { class: "panel" });
    if (this.first) {
      this.classToken = button("class token", () => this.lock("class"), { class: "class-token", "aria-pressed": "false" });
      this.classToken.addEventListener("pointerenter", () => this.point("class"));
      this.classToken.addEventListener("pointerleave", () => this.point(null));
      this.classToken.addEventListener("focus", () => this.mark("class"));
      this.classToken.addEventListener("blur", () => this.mark(null));
      this.main.node.insertBefore(this.classToken, this.main.stage);
    }
    this.main.node.append(this.buildLegend());
    panel.append(this.buildSays());
    if (this.channels === 1) {
      this.buildPad();
      setText(this.pad.caption, "draw here");
      this.padBox = make("div", { class: "pad-box" }, this.pad.node, this.padTools);
      panel.append(this.padBox);
    }
    this.ends = this.radios("scale", { query: "this map", image: "all maps of the image" },
      "colors end at the largest of", (value) => this.set({ scale: value }));
    this.controls.append(make("span", { class: "labelled" }, "colors end at the largest of", this.ends.node));
    this.body.append(this.buildMaps(), this.main.node, panel);
  }

  wire() {
    const { stage } = this.main;
    stage.addEventListener("pointermove", (event) => this.point(this.main.at(event)));
    stage.addEventListener("pointerleave", () => this.point(null));
    stage.addEventListener("click", (event) => {
      const patch = this.main.at(event);
      if (patch === null) return;
      this.marked = patch; // the keys go on from here
      this.lock(patch);
    });
    stage.addEventListener("focus", () => {
      const held = this.get("selected");
      this.mark(Number.isInteger(held) ? held : this.marked ?? 0);
    });
    stage.addEventListener("blur", () => this.mark(null));
    stage.addEventListener("keydown", (event) => {
      const key = plainKey(event);
      const from = Number.isInteger(this.marked) ? this.marked : 0;
      const to = this.main.step(from, key);
      if (to !== null) {
        this.pointer = null;
        if (this.get("selected") !== null && !this.still) this.set({ selected: to });
        this.mark(to);
      } else if (key === "Enter" || key === " ") this.lock(from);
      else return;
      event.preventDefault();
    });
  }

  // The small maps: for each layer its heads and their mean, then rollout and occlusion. Each is a choice.
  buildMaps() {
    const { L, H } = this;
    this.across = H + 1;
    const box = make("div", { class: "maps", role: "radiogroup", "aria-label": "map" });
    box.style.gridTemplateColumns = `auto repeat(${this.across}, auto)`;
    const caption = (text) => make("span", { class: "caption", text, "aria-hidden": "true" });
    box.append(caption("head"), ...Array.from({ length: H }, (_, h) => caption(h + 1)), caption("mean"));
    this.maps = [];
    const add = (choice, name) => {
      const canvas = make("canvas", { "aria-hidden": "true" });
      const node = make("button", { type: "button", class: "map", role: "radio", "aria-label": name }, canvas);
      const at = this.maps.length;
      node.addEventListener("click", () => this.choose(at));
      node.addEventListener("keydown", (event) => this.keyInMaps(event, at));
      this.maps.push({ choice, name, canvas, node });
      return node;
    };
    for (let layer = 0; layer < L; layer++) {
      box.append(caption(`layer ${layer + 1}`));
      for (let head = 0; head < H; head++) box.append(add({ view: "head", layer, head }, `layer ${layer + 1}, head ${head + 1}`));
      box.append(add({ view: "mean of heads", layer }, `layer ${layer + 1}, mean of heads`));
    }
    const others = make("div", { class: "others" });
    others.style.gridColumn = "1 / -1";
    for (const view of ["rollout", "occlusion"]) {
      const node = add({ view }, view);
      node.append(make("span", { text: view, "aria-hidden": "true" }));
      others.append(node);
    }
    box.append(others);
    return box;
  }

  buildLegend() {
    this.low = make("span");
    this.high = make("span");
    this.bar = make("canvas", { class: "bar", "aria-hidden": "true" });
    this.unit = make("span");
    return make("div", { class: "legend" }, make("span", { class: "scale" }, this.low, this.bar, this.high), this.unit);
  }

  buildSays() {
    this.verdict = make("div", { class: "verdict" });
    this.bars = Array.from({ length: Math.min(3, this.data.classes.length) }, () => {
      const [name, fill, number] = [make("span", { class: "name" }), make("span", { class: "fill" }), make("span", { class: "number" })];
      return { name, fill, number, row: make("div", { class: "row" }, name, make("span", { class: "track" }, fill), number) };
    });
    const longest = Math.max(...this.data.classes.map((name) => name.length));
    const name = clamp(0.62 * longest, 2.5, 8);
    this.panelWidth = Math.max(name + 9.2, 14.4); // in letters: the bars, and the tools for drawing
    this.root.style.setProperty("--lec-name", `${name}em`);
    this.root.style.setProperty("--lec-panel", `${this.panelWidth}em`);
    return make("div", { class: "says" }, make("div", { class: "caption", text: "the network says" }),
      ...this.bars.map((each) => each.row), this.verdict);
  }

  answered() {
    const answer = this.reply;
    const levels = 2 ** this.data.bits - 1;
    const unpack = (text) => {
      const packed = bytes(text);
      return Float64Array.from(this.data.bits === 16 ? new Uint16Array(packed.buffer) : packed, (v) => v / levels);
    };
    this.weights = unpack(answer.maps);
    this.rollout = unpack(answer.rollout);
    this.occlusion = answer.occlusion;
    this.probabilities = answer.probabilities;
    this.largest = this.weights.reduce((a, b) => Math.max(a, b), 0);
  }

  // ---- what mouse and keys do

  point(query) {
    if (query === this.pointer) return;
    this.pointer = query;
    this.draw();
  }

  mark(query) {
    this.marked = query;
    this.draw();
  }

  lock(query) {
    if (!this.still) this.set({ selected: this.get("selected") === query ? null : query });
  }

  letGo() {
    if (this.get("selected") === null) return false;
    this.set({ selected: null });
    return true;
  }

  choose(n) {
    this.set(this.maps[n].choice);
  }

  keyInMaps(event, n) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.across, ArrowDown: this.across };
    const last = this.maps.length - 1;
    let to = { Home: 0, End: last }[event.key] ?? n + (steps[event.key] ?? NaN);
    if (Number.isNaN(to) || plainKey(event) === null) return;
    event.preventDefault();
    if (to > last && event.key === "ArrowDown" && n < last - 1) to = last - 1; // the last row is shorter
    if (to < 0 || to > last) return;
    this.choose(to);
    this.maps[to].node.focus();
  }

  // ---- numbers

  get chosen() {
    const view = this.get("view");
    const of = (each) => each.view === view && (each.layer ?? this.get("layer")) === this.get("layer")
      && (each.head ?? this.get("head")) === this.get("head");
    return this.maps.findIndex(({ choice }) => of(choice));
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

  // Where a query looks in a map (T, T), from `start` of an array: the share of the class token (or null), the patches.
  rowOf(array, start, query) {
    const { T, first } = this;
    const row = new Float64Array(T);
    if (query === null && !first) {
      for (let n = 0; n < T * T; n++) row[n % T] += array[start + n] / T;
    } else {
      const at = start + (query === null || query === "class" ? 0 : query + first) * T;
      for (let k = 0; k < T; k++) row[k] = array[at + k];
    }
    return { token: first ? row[0] : null, patches: row.subarray(first) };
  }

  valuesOf({ view, layer, head }, query) {
    if (view === "occlusion") return { token: null, patches: this.occlusion };
    if (view === "rollout") return this.rowOf(this.rollout, 0, query);
    const size = this.T * this.T;
    if (view === "head") return this.rowOf(this.weights, (layer * this.H + head) * size, query);
    const rows = Array.from({ length: this.H }, (_, h) => this.rowOf(this.weights, (layer * this.H + h) * size, query));
    return {
      token: this.first ? rows.reduce((sum, row) => sum + row.token / this.H, 0) : null,
      patches: rows[0].patches.map((_, k) => rows.reduce((sum, row) => sum + row.patches[k] / this.H, 0)),
    };
  }

  endOf({ view }, { token, patches }) {
    if (this.get("scale") === "image" && (view === "head" || view === "mean of heads")) return this.largest || 1;
    return patches.reduce((most, v) => Math.max(most, Math.abs(v)), token ?? 0) || 1;
  }

  // ---- drawing

  layout(whole) {
    this.resizeMaps(Math.min(whole >= 900 ? 60 : 44, Math.max((whole - 84) / this.across - 14, 8)));
    const beside = whole - this.maps[0].node.parentElement.offsetWidth - 20;
    const panel = this.panelWidth * parseFloat(getComputedStyle(this.root).fontSize) + 20;
    const layout = beside - panel >= 280 ? "wide" : beside >= 280 ? "middle" : "narrow";
    this.body.dataset.layout = layout;
    this.main.resize(Math.min({ wide: beside - panel, middle: beside, narrow: whole }[layout], 440), this.ratio);
    if (this.pad) {
      this.padBox.hidden = !this.get("own");
      this.pad.resize(176, this.ratio);
    }
  }

  // Whole pixels of the screen for each cell.
  resizeMaps(room) {
    const most = Math.min(Math.max((5 * room) / this.across, 26), room) / Math.max(this.rows, this.columns);
    this.cell = Math.max(Math.floor(most * this.ratio), 1);
    const [w, h] = [this.cell * this.columns, this.cell * this.rows];
    for (const { canvas } of this.maps) {
      if (canvas.width !== w) canvas.width = w;
      if (canvas.height !== h) canvas.height = h;
      canvas.style.width = `${w / this.ratio}px`;
      canvas.style.height = `${h / this.ratio}px`;
    }
  }

  paint() {
    this.main.show(this.pixels);
    this.main.lines(this.main.base.getContext("2d"));
    setText(this.main.caption, this.mapName);
    const chosen = this.maps[this.chosen];
    const shown = this.shown = this.unknown ? null : this.valuesOf(chosen.choice, this.query);
    const end = shown ? this.endOf(chosen.choice, shown) : 1;
    const context = this.main.fresh(this.main.over);
    if (shown) shown.patches.forEach((v, n) => wash(context, this.main.box(n), v / end, WASH, true));
    const { query, cursor } = this;
    const inside = this.still ? cursor : query;
    if (Number.isInteger(inside)) this.main.frame(context, inside, this.get("selected") === inside && !this.still);
    if (Number.isInteger(cursor) && cursor !== inside) this.main.frame(context, cursor);
    if (this.classToken) this.paintToken(shown, end);
    this.paintMaps();
    this.paintLegend(end);
    this.paintSays();
    this.ends.show(this.get("scale"));
    for (const input of this.ends.inputs) input.disabled = this.still || this.get("view") === "rollout";
    if (this.pad) {
      this.pad.show(this.pixels);
      this.paintPad();
    }
  }

  paintToken(shown, end) {
    const share = shown?.token == null ? 0 : shown.token / end;
    const looks = this.query === "class" || (this.query === null && !this.still);
    const number = shown?.token == null ? "" : `: ${percent(shown.token)}`;
    setText(this.classToken, `class token${looks ? " (it looks)" : ""}${number}`);
    this.classToken.style.background = css(ORANGE, WASH * share);
    this.classToken.style.boxShadow = `inset 0 0 0 ${Math.round(8 * share)}px ${css(ORANGE)}`;
    this.classToken.setAttribute("aria-pressed", this.get("selected") === "class");
    this.classToken.disabled = this.still;
  }

  paintMaps() {
    const { chosen, cell: side } = this;
    this.maps.forEach(({ choice, canvas, node }, n) => {
      const context = canvas.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      node.setAttribute("aria-checked", n === chosen);
      node.tabIndex = n === chosen ? 0 : -1;
      if (this.unknown) return;
      const values = this.valuesOf(choice, this.query);
      const end = this.endOf(choice, values);
      values.patches.forEach((v, k) => {
        const [x, y] = [(k % this.columns) * side, Math.floor(k / this.columns) * side];
        wash(context, [x, y, side, side], v / end, 1, false);
        if (v >= -0.05 * end || side < 7) return;
        context.fillStyle = "#000"; // a minus: not by color alone
        context.fillRect(x + side * 0.25, y + side * 0.42, side * 0.5, Math.max(side * 0.16, 1));
      });
    });
  }

  paintLegend(end) {
    const signed = this.still && this.occlusion.some((v) => v < 0);
    const [w, h] = [132, 18];
    this.bar.width = w * this.ratio;
    this.bar.height = h * this.ratio;
    this.bar.style.width = `${w}px`;
    const context = this.bar.getContext("2d");
    context.scale(this.ratio, this.ratio);
    const steps = 6;
    const start = signed ? -1 : 0;
    for (let k = 0; k < steps; k++) {
      const x = (k * w) / steps;
      context.fillStyle = "#fff";
      context.fillRect(x, 0, w / steps, h);
      wash(context, [x, 0, w / steps, h], start + ((1 - start) * k) / (steps - 1), WASH, true);
    }
    const text = this.still ? points(end).replace(/\u00a0.*/, "") : percent(end);
    setText(this.low, signed ? `−${text}` : "0");
    setText(this.high, text);
    setText(this.unit, this.still ? "points of probability lost without the patch" : this.get("view") === "rollout" ? "share" : "weight");
  }

  paintSays() {
    const order = this.unknown ? [] : Array.from(this.probabilities.keys()).sort((a, b) => this.probabilities[b] - this.probabilities[a]);
    this.bars.forEach(({ name, fill, number }, k) => {
      const n = order[k];
      setText(name, n === undefined ? "…" : this.data.classes[n]);
      fill.style.width = n === undefined ? "0" : `${100 * this.probabilities[n]}%`;
      setText(number, n === undefined ? "" : percent(this.probabilities[n]));
    });
    this.named = order[0];
    const label = this.label;
    const right = label === this.named;
    setText(this.verdict, label === null || this.named === undefined ? "" : `true: ${this.data.classes[label]} — ${right ? "right" : "wrong"}`);
    this.verdict.hidden = label === null;
  }

  get label() {
    return this.get("own") || this.data.labels === null ? null : this.data.labels[this.get("image")];
  }

  get mapName() {
    return this.maps[this.chosen].name;
  }

  // ---- words

  sentence() {
    if (this.spoken) return this.spoken;
    if (this.unknown) return "The network is looking …";
    const { patches, token } = this.shown;
    const says = `The network says ${this.data.classes[this.named]} with ${percent(this.probabilities[this.named])}`;
    const truth = this.label === null ? "" : this.label === this.named ? ", which is right" : `; it is ${this.data.classes[this.label]}`;
    const order = Array.from(patches.keys()).sort((a, b) => patches[b] - patches[a]).slice(0, 3);
    if (this.still) return this.aboutOcclusion(patches, order, says + truth);
    const { query, cursor } = this;
    const best = order.map((n) => [`${this.main.place(n)} (${percent(patches[n])})`, patches[n]]);
    if (token !== null) best.push([`the class token (${percent(token)})`, token]);
    best.sort((a, b) => b[1] - a[1]);
    const who = query === null ? (this.first ? "the class token" : "the mean of all patches")
      : query === "class" ? "the class token" : `the patch in ${this.main.place(query)}`;
    const verb = this.get("view") === "rollout" ? "holds, by the maps of all layers, most of" : "looks most at";
    const list = best.slice(0, 3).map(([text]) => text);
    const looks = `${who} ${verb} ${list[0]}${list.length > 1 ? `, then ${list.slice(1).join(" and ")}` : ""}`;
    const where = this.get("view") === "rollout" ? "Rollout" : `L${this.mapName.slice(1)}`;
    let text = `${where}: ${looks}.`;
    if (query === null) return `${says}${truth}. ${text} Point at a patch to see where it looks; a click holds it.`;
    if (Number.isInteger(cursor) && cursor !== query) text += ` Here, ${this.main.place(cursor)}: ${percent(patches[cursor])}.`;
    return this.get("selected") === null ? text : `${text} Held: Escape lets go.`;
  }

  aboutOcclusion(patches, order, says) {
    const class_ = this.data.classes[this.named];
    const { cursor } = this;
    const change = (n) => `${patches[n] >= 0 ? "falls" : "rises"} by ${points(patches[n])}`;
    if (!Number.isInteger(cursor)) {
      if (patches[order[0]] <= 0) return `${says}. Covering one patch at a time: no patch lowers the probability of ${class_}.`;
      return `${says}. Covering one patch at a time: without ${this.main.place(order[0])} the probability of ${class_} `
        + `${change(order[0])}, the most. Point at a patch to read its change.`;
    }
    return `Without the patch in ${this.main.place(cursor)} the probability of ${class_} ${change(cursor)}.`;
  }
}

// ---- hide patches, and see them painted ---------------------------------------------------------------------------------

class Hiding extends Playground {
  static settings = ["ratio", "kind", "painter", "whole"];

  build() {
    this.mask = Uint8Array.from(this.get("mask"), Number);
    this.hatching = this.makeHatching();
    this.cursor = null; // the patch under the pointer
    this.at = 0; // the patch that the keyboard has reached
    this.buildControls();
    const sizes = [[this.height, this.width], [this.rows, this.columns]];
    if (this.channels === 1) {
      this.buildPad();
      this.left = this.pad;
      this.left.node.append(this.padTools);
    } else this.left = new Picture("", ...sizes);
    this.middle = new Picture("mask: click or drag", ...sizes,
      "patches to hide and show; the arrow keys move through them, Space hides or shows one");
    this.right = new Picture("reconstruction", ...sizes);
    this.message = make("div", { class: "message" });
    this.right.stage.append(this.message);
    this.buildErrors();
    this.wire();
    this.pictures = make("div", { class: "pictures" }, this.left.node, this.middle.node, this.right.node);
    this.body.append(this.pictures, this.errors);
  }

  buildControls() {
    this.slider = make("input", { type: "range", min: 1, max: this.patches - 1, step: 1, "aria-label": "share of hidden patches" });
    this.slider.addEventListener("input", () => {
      this.sliding = true;
      this.draw();
      this.askSoon("ratio", () => this.redrawn({ ratio: this.slider.value / this.patches }));
    });
    this.share = make("span", { class: "number", "aria-hidden": "true" });
    this.controls.append(make("span", { class: "labelled" }, "hide", this.slider, this.share));
    const kinds = make("span", { class: "group", role: "group", "aria-label": "hide again" });
    this.kinds = this.data.kinds.map((kind) => {
      const node = button(kind, () => this.ask(this.redrawn({ kind, ratio: this.wanted })));
      kinds.append(node);
      return [kind, node];
    });
    kinds.append(button("show all", () => this.cover(0)));
    this.controls.append(kinds);
    if (this.data.painters.length > 1) {
      const texts = Object.fromEntries(this.data.painters.map((name) => [name, name]));
      this.painters = this.radios("painter", texts, "painted by", (painter) => this.ask({ painter }));
      this.controls.append(make("span", { class: "labelled" }, "painted by", this.painters.node));
    }
    this.wholeBox = make("input", { type: "checkbox" });
    this.wholeBox.addEventListener("change", () => this.set({ whole: this.wholeBox.checked }));
    this.controls.append(make("label", {}, this.wholeBox, "paint the visible ones, too"));
  }

  buildErrors() {
    const row = (text) => {
      const [name, fill, number] = [make("span", { class: "name", text }), make("span", { class: "fill" }), make("span", { class: "number" })];
      this.errors.append(make("div", { class: "row" }, name, make("span", { class: "track" }, fill), number));
      return { name, fill, number };
    };
    this.errors = make("div", { class: "errors" }, make("div", { class: "caption", text: "mean squared error on the hidden patches" }));
    this.made = row("");
    this.mean = row("mean of the visible pixels");
  }

  wire() {
    const { stage } = this.middle;
    let value = null; // what a drag does: 1 hides, 0 shows
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
      if (n !== this.cursor) {
        this.cursor = n;
        this.draw();
      }
      if (n !== null && value !== null && this.mask[n] !== value) this.turn(n, value);
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { value = null; });
    stage.addEventListener("pointerleave", () => {
      this.cursor = null;
      this.draw();
    });
    stage.addEventListener("keydown", (event) => {
      const key = plainKey(event);
      const to = this.middle.step(this.at, key);
      if (to !== null) this.at = to;
      else if (key === " " || key === "Enter") this.turn(this.at, 1 - this.mask[this.at]);
      else return;
      event.preventDefault();
      this.spoken = `The patch in ${this.middle.place(this.at)} is ${this.mask[this.at] ? "hidden" : "visible"}.`;
      this.draw();
    });
    this.watchFocus(stage);
  }

  turn(n, value) {
    this.mask[n] = value;
    this.draw();
    this.askSoon("mask", () => this.covered);
  }

  cover(value) {
    this.mask.fill(value);
    this.ask(this.covered);
  }

  get covered() {
    return { mask: Array.from(this.mask, Boolean) };
  }

  // A mask that the kernel draws: by another seed, unless the ratio alone is new.
  redrawn(changes) {
    const same = !("kind" in changes) && changes.ratio !== this.get("ratio");
    return same ? changes : { ...changes, seed: this.get("seed") + 1 };
  }

  get hidden() {
    return this.mask.reduce((sum, each) => sum + each, 0);
  }

  // The ratio for another mask: as much as is hidden now.
  get wanted() {
    return this.hidden % this.patches ? this.hidden / this.patches : this.get("ratio");
  }

  asked() {
    this.mask = Uint8Array.from(this.get("mask"), Number);
  }

  answered() {
    const answer = this.reply;
    const mask = Uint8Array.from(answer.mask, Number);
    if (!this.pending.has("mask")) this.mask = mask.slice(); // else the hand is further
    this.sliding = this.pending.has("ratio");
    this.painted = answer.pixels === null ? null : { pixels: bytes(answer.pixels), mask };
  }

  // ---- drawing

  layout(whole) {
    const three = (Math.min(whole, 1000) - 2 * 20) / 3;
    const stacked = three < 130;
    this.body.dataset.layout = stacked ? "narrow" : "wide";
    for (const each of [this.left, this.middle, this.right]) each.resize(stacked ? Math.min(whole, 320) : Math.min(three, 320), this.ratio);
  }

  paint() {
    const { pixels } = this;
    this.left.show(pixels);
    setText(this.left.caption, this.get("own") ? "draw here" : this.data.names?.[this.get("image")] ?? "original");
    if (this.pad) {
      this.padTools.hidden = !this.get("own");
      this.pad.stage.tabIndex = this.get("own") ? 0 : -1;
      this.pad.stage.dataset.live = this.get("own");
      this.pad.stage.setAttribute("aria-label", this.get("own") ? this.pad.name : "the original");
      this.paintPad();
    }
    this.paintMiddle(pixels);
    this.paintRight(pixels);
    this.paintErrors();
    if (!this.sliding) this.slider.value = clamp(this.hidden, 1, this.patches - 1);
    const hidden = this.sliding ? Number(this.slider.value) : this.hidden;
    const text = `${Math.round((100 * hidden) / this.patches)}\u00a0%, ${hidden} of ${this.patches}`;
    setText(this.share, text);
    this.slider.setAttribute("aria-valuetext", text);
    this.wholeBox.checked = this.get("whole");
    this.painters?.show(this.get("painter"));
  }

  paintMiddle(pixels) {
    const context = this.middle.show(pixels);
    context.beginPath();
    this.mask.forEach((hidden, n) => {
      if (hidden) context.rect(...this.middle.box(n));
    });
    for (const fill of ["#bdbdbd", this.hatching]) {
      context.fillStyle = fill;
      context.fill();
    }
    this.middle.lines(context);
    const over = this.middle.fresh(this.middle.over);
    const shown = this.cursor ?? (this.middle.stage.matches(":focus-visible") ? this.at : null);
    if (shown !== null) this.middle.frame(over, shown);
  }

  makeHatching() {
    const tile = make("canvas", { width: 8, height: 8 });
    const pen = tile.getContext("2d");
    pen.strokeStyle = "#555";
    pen.lineWidth = 1.4;
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift - 1, 9);
      pen.lineTo(shift + 9, -1);
    }
    pen.stroke();
    return pen.createPattern(tile, "repeat");
  }

  paintRight(pixels) {
    const { message } = this.reply;
    const failed = !this.waiting && message ? message : "";
    setText(this.message, failed);
    this.message.hidden = !failed;
    setText(this.right.caption, this.get("whole") ? "all as painted" : "reconstruction");
    if (this.painted === null || failed) {
      this.right.fresh(this.right.base);
      return;
    }
    const { pixels: made, mask } = this.painted;
    if (this.get("whole") || this.unknown) {
      this.right.show(this.get("whole") ? made : this.last ?? made); // of another image: the old one, until the new comes
      return;
    }
    const [high, wide] = [this.height / this.rows, this.width / this.columns];
    const both = made.map((v, n) => {
      const [i, j] = [Math.floor(n / this.width) % this.height, n % this.width];
      return mask[Math.floor(i / high) * this.columns + Math.floor(j / wide)] ? v : pixels[n];
    });
    this.last = both;
    this.right.show(both);
  }

  paintErrors() {
    const { error, mean_error: mean } = this.reply;
    const longest = Math.max(error ?? 0, mean ?? 0, 1e-9);
    setText(this.made.name, this.get("painter"));
    for (const [row, value] of [[this.made, error], [this.mean, mean]]) {
      row.fill.style.width = value === null ? "0" : `${(100 * value) / longest}%`;
      setText(row.number, value === null ? "–" : value.toFixed(4));
    }
  }

  sentence() {
    const { error, mean_error: mean, message } = this.reply;
    const counted = `${this.hidden} of ${this.patches} patches hidden.`;
    const spoken = this.spoken ? `${this.spoken} ` : "";
    if (this.waiting) return `${spoken}${counted}`;
    if (message) return `${spoken}${message}`;
    const hint = this.spoken ? "" : " Click or drag over the patches in the middle to hide and show them.";
    return `${spoken}${counted} Error on them: ${error.toFixed(4)} by ${this.get("painter")}, ${mean.toFixed(4)} by the mean `
      + `of the visible pixels.${hint}`;
  }
}

function render({ model, el }) {
  const Mode = { attention: Looking, masking: Hiding }[model.get("data").mode];
  const playground = new Mode(model, el);
  return () => playground.remove();
}

export default { render };
