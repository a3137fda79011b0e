// The patch playground in the page: it draws, and echoes mouse and keys at once; the kernel says what a network does.
// The model holds `data` (fixed), the settings and the last `answer`. Each question has a number, `asked`, and an
// answer has that of its question.

import {
  ARROWS, SmallMaps, View, best, button, bytes, checkbox, clamp, figure, hidden, make, percent, plainKey, points,
  radios, setText, within,
} from "./kit.js";

const ORANGE = [213, 94, 0]; // as in the styles
const BLUE = [0, 114, 178];

const argsort = (values) => [...values.keys()].sort((a, b) => values[b] - values[a]); // the largest first
const largest = (values) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0) || 1;

// Color a cell: the larger the share (-1 to 1) the stronger, with a wider frame; below 0 blue, the frame in pieces.
function wash(cell, share) {
  cell.style.setProperty("--share", Math.abs(share));
  cell.classList.toggle("below", share < 0);
}

// A name, a bar and a number, in a row.
function bar() {
  const [name, fill, number] = ["name", "fill", "number"].map((kind) => make("span", { class: kind }));
  const show = (title, share, written) => {
    setText(name, title);
    fill.style.width = `${100 * share}%`;
    setText(number, written);
  };
  return { node: make("div", { class: "row" }, name, make("span", { class: "track" }, fill), number), show };
}

// An image of height x width pixels, and over it cells in rows and columns. With a `name` it takes the focus and the
// keys; `cursor` is the cell that the keys have reached.
class Picture {
  constructor(kind, [height, width], [rows, columns], name = null) {
    Object.assign(this, { rows, columns, cursor: 0 });
    this.canvas = hidden("canvas", { width, height });
    this.cells = Array.from({ length: rows * columns }, () => make("span"));
    const focus = { tabindex: 0, role: "application", "aria-roledescription": "picture", "aria-label": name };
    const patches = make("div", { class: "patches", "aria-hidden": "true" }, ...this.cells);
    this.stage = make("div", { class: "stage", ...(name === null ? {} : focus) }, this.canvas, patches);
    this.stage.style.cssText = `aspect-ratio: ${width} / ${height}; --columns: ${columns}`;
    this.caption = make("div", { class: "caption" });
    this.node = make("div", { class: `picture ${kind}` }, this.caption, this.stage);
  }

  // Draw pixels (C * height * width, 0 to 255), channel by channel; a single channel as dark ink on white.
  show(pixels) {
    const { width, height } = this.canvas;
    const size = width * height;
    const image = new ImageData(width, height);
    for (let n = 0; n < size; n++) {
      for (let c = 0; c < 3; c++) image.data[4 * n + c] = pixels.length > size ? pixels[n + c * size] : 255 - pixels[n];
      image.data[4 * n + 3] = 255;
    }
    this.canvas.getContext("2d").putImageData(image, 0, 0);
  }

  // Give a class to one cell, or to none.
  mark(name, n) {
    this.cells.forEach((cell, k) => cell.classList.toggle(name, k === n));
  }

  // Where a pointer is, in cells from the left and from above.
  point(event) {
    const [x, y] = within(this.stage, event);
    return [(x * this.columns) / this.stage.offsetWidth, (y * this.rows) / this.stage.offsetHeight];
  }

  // The cell under a pointer, or null.
  at(event) {
    const [column, row] = this.point(event).map(Math.floor);
    const inside = row >= 0 && column >= 0 && row < this.rows && column < this.columns;
    return inside ? row * this.columns + column : null;
  }

  // Follow a pointer while it is pressed: `begin` and then `go` get its events.
  drag(begin, go) {
    let pressed = false;
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      pressed = true;
      this.stage.setPointerCapture(event.pointerId);
      begin(event);
    });
    this.stage.addEventListener("pointermove", (event) => pressed && go(event));
    for (const end of ["pointerup", "pointercancel"]) this.stage.addEventListener(end, () => { pressed = false; });
  }

  // Let the keys move the cursor: `moved` is called then, and `turn` at Space and Enter.
  work(moved, turn) {
    this.stage.addEventListener("keydown", (event) => {
      const key = plainKey(event);
      const last = this.cells.length - 1;
      if (key in ARROWS) {
        const [down, right] = ARROWS[key];
        const row = clamp(Math.floor(this.cursor / this.columns) + down, 0, this.rows - 1);
        this.cursor = row * this.columns + clamp((this.cursor % this.columns) + right, 0, this.columns - 1);
      } else if (key === "Home" || key === "End") this.cursor = key === "Home" ? 0 : last;
      else if (key !== " " && key !== "Enter") return;
      event.preventDefault();
      (key === " " || key === "Enter" ? turn : moved)(this.cursor);
    });
  }

  place(n) {
    return `row\u00a0${Math.floor(n / this.columns) + 1}, column\u00a0${(n % this.columns) + 1}`;
  }
}

// ---- what both modes share

class Playground extends View {
  constructor(model, settings) {
    super(model, "lec-playground", [...settings, "asked", "answer", "drawing", "image", "own"]);
    [this.n, this.channels, ...this.shape] = this.data.shape;
    this.grid = [this.data.rows, this.data.columns];
    this.patches = this.data.rows * this.data.columns;
    this.images = bytes(this.data.images);
    this.spoken = ""; // what the last key did
    this.root.dataset.mode = this.data.mode;
    for (const event of ["focusout", "pointerdown"]) this.root.addEventListener(event, () => this.say(""));
    this.controls = make("div", { class: "controls", role: "group", "aria-label": "settings" });
    this.body = make("div", { class: "body" });
    this.root.append(this.controls, this.body, this.status);
    this.buildChoice();
  }

  say(text) {
    this.spoken = text;
    this.draw("spoken");
  }

  // ---- questions and answers

  // Change settings that the kernel has to answer. While it is busy, Jupyter keeps the last of them.
  ask(changes) {
    this.set({ ...changes, asked: this.get("asked") + 1 });
  }

  get reply() {
    return this.get("answer");
  }

  get waiting() {
    return this.reply.number < this.get("asked");
  }

  // Whether the answer is to another image than the one that is shown.
  get unknown() {
    const { image, own } = this.reply;
    return own !== this.get("own") || (!own && image !== this.get("image"));
  }

  // ---- images

  // What is shown: 0 to 255, channel by channel.
  get pixels() {
    if (this.get("own")) return this.drawn.map((v) => Math.round(255 * v));
    const size = this.images.length / this.n;
    return this.images.subarray(this.get("image") * size, (this.get("image") + 1) * size);
  }

  get drawn() {
    const [height, width] = this.shape;
    return this.get("drawing")?.flat() ?? new Array(height * width).fill(0);
  }

  buildChoice() {
    const go = (by) => this.ask({ image: (this.get("image") + by + this.n) % this.n, own: false });
    const arrows = [["◀", -1, "previous image"], ["▶", 1, "next image"]];
    const [back, on] = arrows.map(([text, by, name]) => button(text, () => go(by), { "aria-label": name }));
    this.which = make("span", { class: "which" });
    this.controls.append(make("span", { class: "group" }, back, this.which, on));
    back.disabled = on.disabled = this.n === 1;
    if (this.channels > 1) return;
    this.own = checkbox("draw my own", (own) => this.ask({ own }));
    this.controls.append(this.own.node);
    this.buildPad();
  }

  // A picture to draw on with the pointer or the keys; its cells are pixels.
  buildPad() {
    const name = "your drawing; the arrow keys move through its pixels, Space fills or empties one";
    const pad = this.pad = new Picture("pad", this.shape, this.shape, name);
    setText(pad.caption, "draw here");
    let last = null;
    const stroke = (from, to) => {
      this.stroke(from, to);
      last = to;
    };
    pad.drag((event) => stroke(pad.point(event), pad.point(event)), (event) => stroke(last, pad.point(event)));
    const tell = (n) => this.say(`Pixel in ${pad.place(n)}: ${this.drawn[n] < 0.5 ? "empty" : "filled"}.`);
    pad.work(tell, (n) => {
      this.sketch(this.drawn.with(n, this.drawn[n] < 0.5 ? 1 : 0));
      tell(n);
    });
    this.padBox = make("div", { class: "pad-box" }, pad.node, button("clear", () => this.sketch(this.drawn.fill(0))));
  }

  // Each pixel gets as much ink as the line passes near its middle: strokes with soft edges, as the digits have.
  stroke([x0, y0], [x1, y1]) {
    const width = this.shape[1];
    const radius = Math.max(1, Math.max(...this.shape) / 16);
    const long = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    this.sketch(this.drawn.map((old, n) => {
      const [x, y] = [(n % width) + 0.5, Math.floor(n / width) + 0.5];
      const t = long ? clamp(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / long, 0, 1) : 0;
      const ink = clamp(1.25 * radius - Math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0)), 0, 1);
      return Math.max(old, Math.round(1000 * ink) / 1000);
    }));
  }

  sketch(drawn) {
    const [height, width] = this.shape;
    this.ask({ drawing: Array.from({ length: height }, (_, i) => drawn.slice(i * width, (i + 1) * width)) });
  }

  paint() {
    const own = this.get("own");
    setText(this.which, own ? "own drawing" : `image ${this.get("image") + 1} of ${this.n}`);
    this.root.dataset.waiting = this.waiting;
    if (this.pad) {
      this.own.box.checked = own;
      this.padBox.hidden = !own;
      this.pad.show(this.drawn.map((v) => 255 * v));
      this.pad.mark("cursor", this.pad.cursor);
    }
    this.show();
    setText(this.status, this.sentence());
  }
}

// ---- where a network looks

class Looking extends Playground {
  constructor(model) {
    super(model, ["view", "layer", "head", "selected"]);
    this.marked = null; // the patch under the pointer, or the one that the keys have reached
    const name = "image in patches; the arrow keys move through them, Enter holds one";
    this.main = new Picture("main", this.shape, this.grid, name);
    this.wire();
    this.main.node.append(this.buildLegend());
    const panel = make("div", { class: "panel" }, this.buildSays(), ...(this.pad ? [this.padBox] : []));
    this.body.append(this.buildMaps(), this.main.node, panel);
    this.unpack();
  }

  wire() {
    const { stage } = this.main;
    stage.addEventListener("pointermove", (event) => this.mark(this.main.at(event)));
    stage.addEventListener("pointerleave", () => this.mark(null));
    stage.addEventListener("click", (event) => {
      const patch = this.main.at(event);
      if (patch === null) return;
      this.main.cursor = patch; // the keys go on from here
      this.mark(patch);
      this.lock(patch);
    });
    stage.addEventListener("focus", () => {
      this.main.cursor = this.get("selected") ?? this.main.cursor;
      this.mark(this.main.cursor);
    });
    stage.addEventListener("blur", () => this.mark(null));
    this.main.work((n) => {
      if (this.get("selected") !== null && !this.still) this.set({ selected: n });
      this.mark(n);
    }, (n) => this.lock(n));
  }

  // The small maps: for each layer its heads and their mean, then rollout and occlusion. Each is a choice.
  buildMaps() {
    const { num_layers: L, num_heads: H } = this.data;
    this.choices = [];
    this.maps = new SmallMaps("map", "map", (n) => this.set(this.choices[n]));
    this.maps.across = H + 1;
    this.maps.node.style.cssText = `grid-template-columns: auto repeat(${H + 1}, auto); --across: ${H + 1}`;
    const caption = (text) => hidden("span", { class: "caption", text });
    const add = (choice, name, ...beside) => {
      this.choices.push(choice);
      return this.maps.add(name, ...beside);
    };
    this.maps.node.append(caption("head"), ...Array.from({ length: H }, (_, h) => caption(h + 1)), caption("mean"));
    for (let layer = 0; layer < L; layer++) {
      const nameOf = (head) => `layer ${layer + 1}, ${head < H ? `head ${head + 1}` : "mean of heads"}`;
      this.maps.node.append(caption(`layer ${layer + 1}`), ...Array.from({ length: H + 1 }, (_, head) =>
        add({ view: "head", layer, head }, nameOf(head))));
    }
    const others = ["rollout", "occlusion"].map((view) => add({ view }, view, hidden("span", { text: view })));
    this.maps.node.append(make("div", { class: "others" }, ...others));
    for (const { canvas } of this.maps.maps) [canvas.height, canvas.width] = this.grid;
    return this.maps.node;
  }

  buildLegend() {
    [this.low, this.high, this.unit] = [make("span"), make("span"), make("span")];
    this.steps = Array.from({ length: 6 }, () => make("span"));
    const steps = make("span", { class: "patches", "aria-hidden": "true" }, ...this.steps);
    return make("div", { class: "legend" }, make("span", { class: "scale" }, this.low, steps, this.high), this.unit);
  }

  buildSays() {
    this.verdict = make("div", { class: "verdict" });
    this.bars = this.data.classes.slice(0, 3).map(bar);
    return make("div", { class: "says" }, make("div", { class: "caption", text: "the network says" }),
      ...this.bars.map((each) => each.node), this.verdict);
  }

  changed(name) {
    if (name === "answer") this.unpack();
    super.changed(name);
  }

  unpack() {
    this.weights = Float64Array.from(new Uint16Array(bytes(this.reply.maps).buffer), (v) => v / 65535);
    this.order = argsort(this.reply.probabilities);
  }

  lock(patch) {
    if (!this.still) super.lock(patch);
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

  // The patch that looks: the one that is held, or pointed at; null is what the class is read from.
  get query() {
    return this.get("selected") ?? this.marked;
  }

  // What a map shows, a number for each patch. It has a row for what the class is read from, then one for each patch.
  valuesOf(n) {
    if (this.choices[n].view === "occlusion") return this.reply.occlusion;
    const row = n * (this.patches + 1) + (this.query === null ? 0 : this.query + 1);
    return this.weights.subarray(row * this.patches, (row + 1) * this.patches);
  }

  get label() {
    return this.get("own") || this.data.labels === null ? null : this.data.labels[this.get("image")];
  }

  // ---- drawing

  show() {
    const { chosen, main, still } = this;
    this.mapName = this.maps.maps[chosen].name;
    this.values = this.unknown ? new Array(this.patches).fill(0) : Array.from(this.valuesOf(chosen));
    const end = largest(this.values);
    main.show(this.pixels);
    setText(main.caption, this.mapName);
    main.cells.forEach((cell, n) => wash(cell, this.values[n] / end));
    main.mark("here", this.marked);
    main.mark("held", still ? null : this.get("selected"));
    this.paintMaps();
    this.paintLegend(end);
    this.paintSays();
  }

  paintMaps() {
    this.maps.show(this.chosen);
    this.maps.maps.forEach(({ canvas }, n) => {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      if (this.unknown) return;
      const values = this.valuesOf(n);
      const end = largest(values);
      values.forEach((v, k) => {
        context.fillStyle = `rgba(${v < 0 ? BLUE : ORANGE},${Math.abs(v) / end})`;
        context.fillRect(k % canvas.width, Math.floor(k / canvas.width), 1, 1);
      });
    });
  }

  paintLegend(end) {
    const start = this.values.some((v) => v < 0) ? -1 : 0;
    this.steps.forEach((step, k) => wash(step, start + ((1 - start) * k) / (this.steps.length - 1)));
    const text = this.still ? points(end).replace(/\u00a0.*/, "") : percent(end);
    setText(this.low, start ? `−${text}` : "0");
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
    const { main, marked, query, values } = this;
    const list = argsort(values).slice(0, 3).map((n) => `${main.place(n)} (${percent(values[n])})`);
    const who = query === null ? this.data.reads : `the patch in ${main.place(query)}`;
    const rollout = this.get("view") === "rollout";
    const where = rollout ? "Rollout" : `L${this.mapName.slice(1)}`;
    const verb = rollout ? "holds, by the maps of all layers, most of" : "looks most at";
    const text = `${where}: ${who} ${verb} ${best(list)}.`;
    if (query === null) return `${says}. ${text} Point at a patch to see where it looks; a click holds it.`;
    const here = marked === null || marked === query ? "" : ` Here, ${main.place(marked)}: ${percent(values[marked])}.`;
    return `${text}${here}${this.get("selected") === null ? "" : " Held: Escape lets go."}`;
  }

  aboutOcclusion(says, name) {
    const { main, marked, values } = this;
    const change = (n) =>
      `${main.place(n)} the probability of ${name} ${values[n] >= 0 ? "falls" : "rises"} by ${points(values[n])}`;
    if (marked !== null) return `Without the patch in ${change(marked)}.`;
    const [first] = argsort(values);
    return `${says}. Covering one patch at a time: without ${change(first)}, the most. `
      + "Point at a patch to read its change.";
  }
}

// ---- hide patches, and see them painted

class Hiding extends Playground {
  constructor(model) {
    super(model, ["mask", "ratio", "kind", "painter"]);
    this.buildControls();
    const keys = "the arrow keys move through them, Space hides or shows one";
    this.left = new Picture("left", this.shape, this.grid);
    this.middle = new Picture("middle", this.shape, this.grid, `patches to hide and show; ${keys}`);
    this.right = new Picture("right", this.shape, this.grid);
    setText(this.left.caption, "original");
    setText(this.middle.caption, "mask: click or drag");
    setText(this.right.caption, "reconstruction");
    this.message = make("div", { class: "message" });
    this.right.stage.append(this.message);
    this.wire();
    const pictures = [this.left, this.middle, this.right].map((each) => each.node);
    const title = make("div", { class: "caption", text: "mean squared error on the hidden patches" });
    [this.made, this.mean] = [bar(), bar()];
    this.body.append(make("div", { class: "pictures" }, ...pictures, ...(this.pad ? [this.padBox] : [])),
      make("div", { class: "errors" }, title, this.made.node, this.mean.node));
  }

  buildControls() {
    this.slider = make("input", { type: "range", min: 1, max: this.patches - 1, step: 1,
      "aria-label": "share of hidden patches", input: () => this.redraw() });
    this.share = hidden("span", { class: "number" });
    const kinds = this.data.kinds.map((kind) => button(kind, () => this.redraw(kind)));
    const none = button("show all", () => this.ask({ mask: this.mask.map(() => false) }));
    this.controls.append(make("span", { class: "labelled" }, "hide", this.slider, this.share),
      make("span", { class: "group", role: "group", "aria-label": "hide again" }, ...kinds, none));
    if (this.data.painters.length === 1) return;
    const texts = Object.fromEntries(this.data.painters.map((name) => [name, name]));
    this.painters = radios(texts, "painted by", (painter) => this.ask({ painter }));
    this.controls.append(make("span", { class: "labelled" }, "painted by", this.painters.node));
  }

  wire() {
    let value = true; // what a drag does: true hides, false shows
    const to = (event) => {
      const n = this.middle.at(event);
      if (n !== null && this.mask[n] !== value) this.turn(n);
    };
    this.middle.drag((event) => {
      this.middle.cursor = this.middle.at(event) ?? this.middle.cursor;
      value = !this.mask[this.middle.cursor];
      to(event);
    }, to);
    const tell = (n) => this.say(`The patch in ${this.middle.place(n)} is ${this.mask[n] ? "hidden" : "visible"}.`);
    this.middle.work(tell, (n) => {
      this.turn(n);
      tell(n);
    });
  }

  turn(n) {
    this.ask({ mask: this.mask.with(n, !this.mask[n]) });
  }

  // Let the kernel draw a mask for the slider: by another seed, unless the ratio alone is new.
  redraw(kind = null) {
    const ratio = this.slider.value / this.patches;
    const again = kind !== null || ratio === this.get("ratio");
    this.ask({ ratio, kind: kind ?? this.get("kind"), seed: this.get("seed") + Number(again) });
  }

  // True = hidden: as the hand has left it, or else as the kernel has drawn it.
  get mask() {
    return this.waiting ? this.get("mask") : this.reply.mask;
  }

  get count() {
    return this.mask.filter(Boolean).length;
  }

  // ---- drawing

  show() {
    const { count, left, mask, middle, pixels } = this;
    left.node.hidden = this.get("own");
    left.show(pixels);
    middle.show(pixels);
    middle.cells.forEach((cell, n) => cell.classList.toggle("covered", mask[n]));
    middle.mark("cursor", middle.cursor);
    this.paintRight(pixels);
    this.paintErrors();
    if (!this.waiting && count % this.patches) this.slider.value = count;
    const now = this.waiting ? Number(this.slider.value) : count;
    const text = `${Math.round((100 * now) / this.patches)}\u00a0%, ${now} of ${this.patches}`;
    setText(this.share, text);
    this.slider.setAttribute("aria-valuetext", text);
    this.painters?.show(this.get("painter"));
  }

  // What was painted, with the visible patches put back; of another image the old one stays until the new comes.
  paintRight(pixels) {
    const { message, pixels: painted, mask } = this.reply;
    setText(this.message, message);
    this.message.hidden = !message;
    this.right.canvas.hidden = Boolean(message);
    if (painted === null || this.unknown) return;
    const [height, width] = this.shape;
    const [high, wide] = [height / this.data.rows, width / this.data.columns];
    const patchOf = (n) =>
      Math.floor((Math.floor(n / width) % height) / high) * this.data.columns + Math.floor((n % width) / wide);
    this.right.show(bytes(painted).map((v, n) => (mask[patchOf(n)] ? v : pixels[n])));
  }

  paintErrors() {
    const { error, mean_error: mean } = this.reply;
    const most = Math.max(error, mean, 1e-9);
    const show = (row, name, value) => row.show(name, value / most, value?.toFixed(4) ?? "–");
    show(this.made, this.get("painter"), error);
    show(this.mean, "mean of the visible pixels", mean);
  }

  sentence() {
    const { error, mean_error: mean, message } = this.reply;
    const counted = `${this.count} of ${this.patches} patches hidden.`;
    const spoken = this.spoken ? `${this.spoken} ` : "";
    if (this.waiting) return `${spoken}${counted}`;
    if (message) return `${spoken}${message}`;
    const hint = this.spoken ? "" : " Click or drag over the patches in the middle to hide and show them.";
    return `${spoken}${counted} Error on them: ${error.toFixed(4)} by ${this.get("painter")}, `
      + `${mean.toFixed(4)} by the mean of the visible pixels.${hint}`;
  }
}

export default figure(({ mode }) => ({ attention: Looking, masking: Hiding })[mode]);
