// The transfer lab in the page: settings and orders go to the kernel, curves come back as they grow.
// The model holds `data` (fixed), the settings, `asked` (the number of the last order, and which) and `state`: the
// runs, that of now first. An order is answered when `state.answered` has reached its number.

import { View, button, draw, figure, make, minus, plural, setText } from "./kit.js";

const DASHES = ["", "9 5", "2 4", "10 4 2 4"]; // of the run of now, and of those before, the last one first
const LINE = 20; // pixels from one label to the next, at least

const fixed = (share) => (100 * share).toFixed(1);
const exact = (share) => `${fixed(share)}\u00a0%`;
const signed = (share) => `${share < 0 ? "" : "+"}${minus(fixed(share))}`;
const labelsOf = (n) => `${plural(n, "label").replace(" ", "\u00a0")} a class`;
const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
const lastStep = (run) => run.points.at(-1)?.[0] ?? 0;
const reached = ({ mean: share, half }) => (share === null ? "–" : `${exact(share)} ± ${fixed(half)}`);
const whereOf = (run) => ({
  running: run.total ? `step ${lastStep(run)} of ${run.total}` : "learning",
  finished: run.total ? `after ${run.total} steps` : "without a step",
  stopped: `stopped at step ${lastStep(run)}`,
  failed: `failed after step ${lastStep(run)}`,
}[run.status]);
const row = (tag, cells) => make("tr", {}, ...cells.map((text) => make(tag, { text })));

// A button that is off keeps the focus: `disabled` would take it from a hand on the keys.
const enable = (node, on) => node.setAttribute("aria-disabled", String(!on));
const order = (text, action, options = {}) =>
  button(text, ({ target }) => target.getAttribute("aria-disabled") === "true" || action(), options);

// Move labels down until each keeps its distance from the one above, then up where they would leave the chart.
function moveApart(labels, bottom) {
  labels.sort((a, b) => a.at - b.at);
  labels.forEach((label, k) => { label.y = Math.max(label.at, k ? labels[k - 1].y + LINE : 0); });
  labels.reverse().forEach((label, k) => { label.y = Math.min(label.y, k ? labels[k - 1].y - LINE : bottom); });
}

class Lab extends View {
  constructor(model) {
    super(model, "lec-transfer", ["source", "arm", "each", "asked", "state"]);
    this.told = ""; // of which moment the spoken line has told
    this.spoken = "";
    this.build();
    this.hear();
  }

  get state() {
    return this.get("state");
  }

  // ---- what is there

  build() {
    const choice = (name, text, options, read = String) => {
      const nodes = Object.entries(options).map(([value, shown]) => make("option", { value, text: shown }));
      this[name] = make("select", { change: ({ target }) => this.set({ [name]: read(target.value) }) }, ...nodes);
      return make("label", {}, make("span", { text }), this[name]);
    };
    const same = (values) => Object.fromEntries(values.map((value) => [value, value]));
    const { sources, labels, arms } = this.data;
    this.startButton = order("Start", () => this.ask("start"), { class: "start" });
    this.stopButton = order("Stop", () => this.ask("stop"));
    const controls = make("div", { class: "controls", role: "group", "aria-label": "settings of the next run" },
      choice("source", "source", same(Object.keys(sources))),
      choice("each", "labels for each class", same(labels), Number),
      choice("arm", "arm", arms),
      make("span", { class: "group" }, this.startButton, this.stopButton));
    this.alert = make("p", { class: "alert", role: "alert" });
    this.plot = draw("svg", { "aria-hidden": "true" });
    this.table = make("table");
    this.root.append(controls, make("div", { class: "chart" }, this.plot), this.status, this.alert,
      make("div", { class: "rows" }, this.table));
  }

  // ---- orders and answers

  ask(what) {
    this.spoken = what === "start" ? "Starting, as soon as the kernel is free …" : "Stopping …";
    this.told = "";
    this.set({ asked: [this.get("asked")[0] + 1, what] });
  }

  get late() {
    return this.state.answered < this.get("asked")[0];
  }

  changed(name) {
    if (name === "state") this.hear();
    this.draw(name);
  }

  // Say what has happened, but not each point: begin, quarters and end.
  hear() {
    const [now] = this.state.runs;
    if (this.late || !now) return;
    const quarter = now.status === "running" && now.total ? Math.floor((4 * lastStep(now)) / now.total) : 0;
    const moment = `${now.number} ${now.status} ${quarter}`;
    if (moment === this.told) return;
    this.told = moment;
    this.spoken = this.sentence(now);
  }

  sentence(run) {
    const who = `Run ${run.number}, ${run.name}, ${labelsOf(run.each)}`;
    if (run.mean === null) return `${who}: ${run.status === "running" ? "training has begun" : run.status}.`;
    return `${who}: ${reached(run)}, ${whereOf(run)}.${this.against()}`;
  }

  // How far the run of now lies above the last one.
  against() {
    const [, before] = this.state.runs;
    if (!before?.above) return "";
    const { mean: by, half, step } = before.above;
    const far = `${fixed(Math.abs(by))}\u00a0points ${by < 0 ? "below" : "above"}`;
    const between = `95\u00a0% interval ${signed(by - half)} to ${signed(by + half)}`;
    return ` That is ${far} run ${before.number}, ${before.name}${step ? `, at step ${step}` : ""} (${between}).`;
  }

  // ---- drawing

  paint() {
    const { running, runs: [now] } = this.state;
    Object.assign(this.root.dataset, { running, waiting: this.late, layout: this.whole < 640 ? "narrow" : "wide" });
    for (const name of ["source", "each", "arm"]) this[name].value = this.get(name);
    const offered = this.data.sources[this.get("source")];
    for (const option of this.arm.options) option.disabled = !offered.includes(option.value);
    enable(this.startButton, !running && !this.late);
    enable(this.stopButton, running);
    setText(this.status, this.spoken || "Press Start to train.");
    setText(this.alert, now?.status === "failed" ? `Run ${now.number} failed: ${now.message}` : "");
    this.paintChart();
    this.paintTable();
  }

  paintChart() {
    const [left, top, high, beside] = [54, 34, 320, 144];
    const wide = Math.min(this.whole - left - beside, 720);
    const [right, bottom] = [left + wide, top + high];
    const { steps, num_classes: classes, seeds } = this.data;
    const { runs, pixels } = this.state;
    const x = (step) => left + (wide * step) / steps;
    const y = (share) => top + high * (1 - share);
    const labels = [];
    this.plot.replaceChildren();
    const add = (tag, options) => this.plot.append(draw(tag, options));
    const line = (look, share) => add("line", { class: look, x1: left, x2: right, y1: y(share), y2: y(share) });
    const label = (look, share, name, from = right) =>
      labels.push({ look, at: y(share), from, text: `${name}: ${exact(share)}` });
    for (let share = 0; share <= 10; share += 2) {
      line(share ? "grid" : "axis", share / 10);
      add("text", { x: left - 8, y: y(share / 10) + 5, "text-anchor": "end", text: `${10 * share}\u00a0%` });
    }
    for (const at of [0, 1, 2, 3, 4].map((k) => Math.round((steps * k) / 4))) {
      add("line", { class: "axis", x1: x(at), x2: x(at), y1: bottom, y2: bottom + 5 });
      add("text", { x: x(at), y: bottom + 21, "text-anchor": "middle", text: at });
    }
    add("text", { x: left + wide / 2, y: bottom + 42, "text-anchor": "middle", text: "training steps" });
    add("text", { x: 0, y: 15, text: "test accuracy" });
    const level = pixels[runs.length ? runs[0].each : this.get("each")];
    for (const [look, share] of [["pixels", level], ["chance", 1 / classes]]) {
      if (share === undefined) continue; // the kernel is still learning it
      line(look, share);
      label(look, share, look);
    }
    for (const [k, run] of [...runs.entries()].reverse()) { // the run of now last, so that it lies on top
      if (!run.points.length) continue;
      const look = k ? "before" : "now";
      const at = (step, height) => `${x(step).toFixed(1)} ${height.toFixed(1)}`;
      const path = (of) => (run.total === 0 ? `M${at(0, y(of(run.points[0][1])))}H${right}`
        : `M${run.points.map(([step, found]) => at(step, y(of(found)))).join("L")}`);
      for (let s = 0; k === 0 && s < seeds; s++) add("path", { class: "seed", d: path((found) => found[s]) });
      add("path", { class: look, d: path(mean), "stroke-dasharray": DASHES[k] });
      const [to, height] = [run.total ? x(lastStep(run)) : right, y(run.mean)];
      if (run.status === "stopped" || run.status === "failed") {
        add("rect", { class: `${look} end`, x: to - 5, y: height - 5, width: 10, height: 10 });
      } else if (run.total) add("circle", { class: `${look} end`, cx: to, cy: height, r: 5 });
      label(look, run.mean, `run ${run.number}`, to + 6);
    }
    moveApart(labels, bottom);
    for (const { look, at, from, text, y: to } of labels) {
      add("path", { class: `leader ${look}`, d: `M${from} ${at}H${right + 4}L${right + 12} ${to}` });
      add("text", { class: `label ${look}`, x: right + 16, y: to + 5, text });
    }
    this.plot.setAttribute("width", right + beside);
    this.plot.setAttribute("height", bottom + 48);
  }

  paintTable() {
    const { runs } = this.state;
    const { seeds, tests } = this.data;
    this.table.hidden = !runs.length;
    if (!runs.length) return;
    const head = ["run", "source and arm", "labels a class", "steps", "test accuracy"];
    const title = row("th", runs.length > 1 ? [...head, `run ${runs[0].number} against it`] : head);
    for (const cell of title.children) cell.scope = "col";
    const rows = runs.map((run, k) => {
      const line = draw("path", { class: k ? "before" : "now", d: "M1 7H39", "stroke-dasharray": DASHES[k] });
      const key = draw("svg", { width: 40, height: 14, "aria-hidden": "true" }, line);
      const node = row("td", this.cells(run, k));
      node.prepend(make("th", { scope: "row" }, key, make("span", { text: run.number })));
      if (k === 0) node.className = "current";
      return node;
    });
    const text = `Mean of ${seeds} seeds ± half of the 95 % interval, on ${tests} test images.`;
    this.table.replaceChildren(make("caption", { text }), make("thead", {}, title), make("tbody", {}, ...rows));
  }

  cells(run, k) {
    const cells = [run.name, run.each, whereOf(run), reached(run)];
    if (this.state.runs.length === 1) return cells;
    if (!run.above) return [...cells, k ? "–" : ""];
    const { mean: by, half, step: at } = run.above;
    return [...cells, `${signed(by)} ± ${fixed(half)} points${at && at < this.data.steps ? ` at step ${at}` : ""}`];
  }
}

export default figure(() => Lab);
