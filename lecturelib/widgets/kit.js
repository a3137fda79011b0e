// What the interactive figures share in a page: nodes, numbers in words, canvases, keys, and the life of a view.
// `kit.py` puts this file in front of each figure's script and leaves the script's import of it out.

// ---- numbers and words

export const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
export const clamp = (n, low, high) => Math.min(Math.max(n, low), high);
export const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
export const minus = (text) => text.replace("-", "−");
const rounded = (value, end) => (value < end ? value.toFixed(1) : String(Math.round(value)));

export function percent(share) {
  const value = 100 * share;
  if (value > 0 && value < 0.1) return "under 0.1\u00a0%";
  return `${value === 0 ? 0 : rounded(value, 1)}\u00a0%`;
}

export const points = (change) => `${rounded(100 * Math.abs(change), 10)}\u00a0points`;

// A list of the best, as "a, then b and c".
export const best = ([first, ...others]) => `${first}${others.length ? `, then ${others.join(" and ")}` : ""}`;

// ---- nodes

// Attributes as they are; `text` is its text, a function listens to the event of its name.
function fill(node, { text, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

export const make = (tag, options = {}, ...children) => fill(document.createElement(tag), options, children);
export const draw = (tag, options = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), options, children);
export const button = (text, click, options = {}) => make("button", { type: "button", text, click, ...options });
export const hidden = (tag, options = {}) => make(tag, { "aria-hidden": "true", ...options });

// Only what is new: a screen reader would say it again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function checkbox(text, choose) {
  const box = make("input", { type: "checkbox", change: () => choose(box.checked) });
  return { box, node: make("label", {}, box, text) };
}

// A choice among a few: `texts` says what stands beside each value. Several figures of a page must not share a name.
export function radios(texts, label, choose) {
  const name = `lec-${Math.random().toString(36).slice(2)}`;
  const inputs = Object.keys(texts).map((value) =>
    make("input", { type: "radio", name, value, change: () => choose(value) }));
  const labels = inputs.map((input) => make("label", {}, input, texts[input.value]));
  const show = (value) => inputs.forEach((input) => { input.checked = input.value === value; });
  return { node: make("span", { class: "group", role: "radiogroup", "aria-label": label }, ...labels), inputs, show };
}

// ---- keys

export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// The key, or null where a modifier makes it another one.
const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;
const theirs = (event) =>
  modified(event) || (event.shiftKey && event.key === "Enter") || /^(Page(Up|Down)|F\d+)$/.test(event.key);
export const plainKey = (event) => (modified(event) || event.shiftKey ? null : event.key);

// Small maps in rows of `across`, of which one is chosen with the mouse or the arrows.
export class SmallMaps {
  constructor(kind, label, choose) {
    Object.assign(this, { kind, choose, maps: [], across: 1 });
    this.node = make("div", { class: `${kind}s`, role: "radiogroup", "aria-label": label });
  }

  add(name, ...beside) {
    const n = this.maps.length;
    const canvas = hidden("canvas");
    const node = button(undefined, () => this.choose(n),
      { class: this.kind, role: "radio", "aria-label": name, keydown: (event) => this.key(event, n) });
    node.append(canvas, ...beside);
    this.maps.push({ name, canvas, node });
    return node;
  }

  key(event, n) {
    const last = this.maps.length - 1;
    const [down, right] = ARROWS[event.key] ?? [NaN, NaN];
    let to = { Home: 0, End: last }[event.key] ?? n + down * this.across + right;
    if (Number.isNaN(to) || plainKey(event) === null) return;
    event.preventDefault();
    if (to > last && Math.floor(n / this.across) < Math.floor(last / this.across)) to = last; // a shorter row
    if (to < 0 || to > last) return;
    this.choose(to);
    this.maps[to].node.focus();
  }

  show(chosen) {
    this.maps.forEach(({ node }, n) => {
      node.setAttribute("aria-checked", n === chosen);
      node.tabIndex = n === chosen ? 0 : -1;
    });
  }
}

// ---- canvases

// Where a pointer is in a node, in the node's own pixels: `offsetX` has others in a page that is scaled, as slides are.
export function within(node, { clientX, clientY }) {
  const { left, top, width, height } = node.getBoundingClientRect();
  return [((clientX - left) * node.offsetWidth) / width, ((clientY - top) * node.offsetHeight) / height];
}

// Make a canvas so large, in pixels of the page; `ratio` pixels of the screen are one of them.
export function resize(canvas, wide, high, ratio) {
  const [w, h] = [wide, high].map((n) => Math.round(n * ratio));
  if (canvas.width !== w) canvas.width = w; // to set it would wipe it
  if (canvas.height !== h) canvas.height = h;
  canvas.style.width = `${wide}px`;
  canvas.style.height = `${high}px`;
}

// An empty canvas to draw on in pixels of the page.
export function fresh(canvas, ratio) {
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  return context;
}

export function hatching(color, alpha) {
  const tile = make("canvas", { width: 8, height: 8 });
  const pen = tile.getContext("2d");
  Object.assign(pen, { strokeStyle: color, globalAlpha: alpha, lineWidth: 1.3 });
  for (const shift of [-8, 0, 8]) {
    pen.moveTo(shift - 1, 9);
    pen.lineTo(shift + 9, -1);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

// ---- the life of a view

// A figure in a page: it shows what the model holds, drawn once in a frame at most. A kind of figure has
// `paint(stale)`, where `stale` holds what was named to `draw`; it may have `changed(name)` of a setting.
export class View {
  constructor(model, kind, settings) {
    Object.assign(this, { model, data: model.get("data"), stale: new Set(), frame: 0 });
    this.root = make("div", { class: `lec ${kind}`, keydown: (event) => this.keyAnywhere(event) });
    this.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
    this.listeners = settings.map((name) => [`change:${name}`, () => this.changed(name)]);
    this.resized = new ResizeObserver(() => this.draw("layout"));
    this.marking = (event) => this.markKey(event);
  }

  start(host) {
    host.append(this.root);
    window.addEventListener("keydown", this.marking, true);
    for (const [event, listener] of this.listeners) this.model.on(event, listener);
    this.resized.observe(this.root);
    this.draw("all");
  }

  remove() {
    for (const [event, listener] of this.listeners) this.model.off(event, listener);
    window.removeEventListener("keydown", this.marking, true);
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

  changed() {
    this.draw("all");
  }

  draw(what) {
    this.stale.add(what);
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    this.ratio = window.devicePixelRatio || 1;
    this.whole = this.root.clientWidth - 12; // without its padding
    if (this.whole <= 0) return; // it is not shown: what is stale stays so
    const { stale } = this;
    this.stale = new Set();
    this.paint(stale);
  }

  // JupyterLab reads keys, too: it gets those that nothing here uses and that help there (running a cell, the pages of
  // a presentation), and no others, or a letter would cut a cell. Jupyter Notebook 7 reads them before they arrive,
  // but passes over what has the focus where it has this mark.
  markKey(event) {
    if (!this.root.contains(event.target)) return;
    event.target.toggleAttribute("data-lm-suppress-shortcuts", event.key !== "Escape" && !theirs(event));
  }

  keyAnywhere(event) {
    if (event.key === "Escape") {
      if (!this.letGo()) return;
      event.preventDefault();
    } else if (theirs(event)) {
      // a slider that has the focus would take the page keys of a remote control
      if (event.target.type === "range" && event.key.startsWith("Page")) event.preventDefault();
      return;
    }
    event.stopPropagation();
  }

  // ---- of what can be held: its place under the pointer, the place that the keys have reached, `selected`

  point(place) {
    if (JSON.stringify(place) === JSON.stringify(this.pointer)) return;
    this.pointer = place;
    this.draw("hover");
  }

  mark(place) {
    this.marked = place;
    this.draw("hover");
  }

  lock(n) {
    if (n !== null) this.set({ selected: this.get("selected") === n ? null : n });
  }

  letGo() {
    if ((this.get("selected") ?? null) === null) return false;
    this.set({ selected: null });
    return true;
  }
}

// What anywidget asks a script for.
export const figure = (choose) => ({
  render({ model, el }) {
    const Kind = choose(model.get("data"));
    const view = new Kind(model);
    view.start(el);
    return () => view.remove();
  },
});
