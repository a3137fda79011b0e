// The transfer lab in the page: settings and orders go to the kernel, curves come back as they grow.
// The model holds `data` (fixed), the settings, `asked` (the number of the last order, and which) and `state`: the
// runs, that of now first. An order is answered when `state.answered` has reached its number.

import { View, button, draw, figure, hidden, make, minus, plural, setText } from "./kit.js";

const SLOW = 3000; // milliseconds without an answer until that is said
const DASHES = ["", "9 5", "2 4", "10 4 2 4"]; // of the run of now, and of those before, the last one first
const LINE = 20; // pixels from one label to the next, at least

const fixed = (share) => (100 * share).toFixed(1);
const exact = (share) => `${fixed(share)}\u00a0%`;
const about = (half) => (half === null ? "" : ` ± ${fixed(half)}`);
const signed = (share) => `${share < 0 ? "" : "+"}${minus(fixed(share))}`;
const apartBy = (share) => `${fixed(Math.abs(share))}\u00a0points ${share < 0 ? "below" : "above"}`;
const labelsOf = (n) => `${plural(n, "label").replace(" ", "\u00a0")} a class`;
const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
const lastStep = (run) => run.steps.at(-1) ?? 0;
const row = (tag, ...cells) => make("tr", {}, ...cells.map((text) => make(tag, { text })));

// A button that is off keeps the focus: `disabled` would take it from a hand on the keys.
const enable = (node, on) => node.setAttribute("aria-disabled", String(!on));
const order = (text, action, refuse = () => {}) =>
  button(text, ({ target }) => (target.getAttribute("aria-disabled") === "true" ? refuse : action)());

// Move places until neighbors keep their distance, and all stay between 0 and `room`; their order stays.
function apart(items, room) {
  const sorted = [...items].sort((a, b) => a.at - b.at);
  let free = 0;
  for (const item of sorted) {
    item.top = Math.max(item.at - item.high / 2, free);
    free = item.top + item.high;
  }
  free = room;
  for (const item of sorted.reverse()) free = item.top = Math.min(item.top, free - item.high);
}

class Lab extends View {
  constructor(model) {
    super(model, "lec-transfer", ["source", "arm", "each", "asked", "state"]);
    this.told = ""; // of which moment the spoken line has told
    this.spoken = "";
    this.root.dataset.lab = this.data.id;
    this.build();
    this.changed("state");
  }

  remove() {
    super.remove();
    clearTimeout(this.timer);
    const others = document.querySelectorAll(`.lec-transfer[data-lab="${this.data.id}"]`).length;
    if (others || !this.state.running) return;
    try {
      this.ask("stop"); // nobody watches any more
    } catch { /* the kernel has gone, and its training with it */ }
  }

  // ---- what is there

  build() {
    const choice = (text, values, change) => {
      const select = make("select", { change }, ...values.map((value) => make("option", { value, text: value })));
      return [select, make("label", {}, make("span", { text }), select)];
    };
    const { sources, labels } = this.data;
    const [source, sourceNode] = choice("source", Object.keys(sources), () => this.chooseSource());
    const [each, eachNode] = choice("labels for each class", labels, () => this.set({ each: Number(each.value) }));
    const [arm, armNode] = choice("arm", [], () => this.set({ arm: arm.value }));
    Object.assign(this, { source, each, arm });
    this.startButton = order("Start", () => this.ask("start"), () => this.busy());
    this.startButton.classList.add("start");
    this.stop = order("Stop", () => this.ask("stop"));
    this.forget = order("Forget earlier runs", () => this.ask("forget"));
    const orders = make("span", { class: "group" }, this.startButton, this.stop, this.forget);
    const controls = { class: "controls", role: "group", "aria-label": "settings of the next run" };
    this.note = make("p", { class: "note" });
    this.alert = make("p", { class: "alert", role: "alert" });
    this.plot = draw("svg", { "aria-hidden": "true" });
    this.ends = hidden("div", { class: "ends" });
    this.table = make("table");
    this.root.append(make("div", controls, sourceNode, eachNode, armNode, orders), this.note,
      make("div", { class: "chart" }, this.plot, this.ends), this.status, this.alert,
      make("div", { class: "rows" }, this.table));
  }

  chooseSource() {
    const source = this.source.value;
    const offered = this.data.sources[source];
    if (offered.includes(this.get("arm"))) this.set({ source });
    else {
      const head = `head of ${this.data.num_classes} classes`;
      this.spoken = `${source} has no ${head} to keep: the arm is “${offered[0]}” now.`;
      this.set({ source, arm: offered[0] });
    }
  }

  // ---- orders and answers

  ask(what) {
    this.spoken = { start: "Starting …", stop: "Stopping …", forget: "" }[what];
    clearTimeout(this.timer);
    this.silent = false;
    this.timer = setTimeout(() => {
      this.silent = true;
      this.draw("silent");
    }, SLOW);
    this.set({ asked: [this.get("asked")[0] + 1, what] });
  }

  busy() {
    if (!this.state.running) return;
    this.spoken = `Run ${this.state.runs[0].number} is being trained: stop it first, or wait for its end.`;
    this.draw("spoken");
  }

  get late() {
    return this.state.answered < this.get("asked")[0];
  }

  changed(name) {
    if (name === "state") {
      this.state = this.get("state");
      this.hear();
    }
    this.draw(name);
  }

  // Say what has happened, but not each point: begin, quarters and end.
  hear() {
    const [now] = this.state.runs;
    if (this.late) return;
    if (this.state.refused || !now) {
      this.spoken = "";
      return;
    }
    const quarter = now.total && now.steps.length ? Math.floor((4 * lastStep(now)) / now.total) : 0;
    const moment = `${now.number} ${now.status} ${now.status === "running" ? quarter : ""}`;
    if (moment === this.told && this.get("asked")[1] !== "stop") return;
    this.told = moment;
    this.spoken = this.sentence(now, lastStep(now));
  }

  sentence(run, step) {
    const who = `Run ${run.number}, ${run.name}, ${labelsOf(run.each)}`;
    const reached = run.mean === null ? "" : `${exact(run.mean)}${about(run.half)}`;
    if (run.status === "failed") return `${who}: failed${step > 0 ? ` after step ${step}` : ""}.`;
    if (run.status === "running" && step <= 0) return `${who}: ${run.total ? "training has begun" : "learning"}.`;
    const what = {
      running: () => `${exact(run.mean)} at step ${step} of ${run.total}`,
      stopped: () => `stopped at step ${step}${reached && `, ${reached}`}`,
      finished: () => `${reached}${run.total ? ` after ${run.total} steps` : ", without a step"}`,
    }[run.status]();
    return `${who}: ${what}.${this.against(run, step)}`;
  }

  // How far the run of now lies above the last one.
  against(run, step) {
    const [, before] = this.state.runs;
    if (!before?.above) return "";
    const { mean: by, half, step: at } = before.above;
    const far = before.total && at < lastStep(before);
    const where = at < step ? `, at step ${at}` : far && run.total ? ", at the same step" : "";
    const between = half === null ? "" : ` (95\u00a0% interval ${signed(by - half)} to ${signed(by + half)})`;
    const other = before.each === run.each ? before.name : `${before.name}, ${labelsOf(before.each)}`;
    return ` That is ${apartBy(by)} run ${before.number}, ${other}${where}${between}.`;
  }

  // ---- drawing

  paint() {
    const { running, runs, refused } = this.state;
    const [now] = runs;
    this.paintSettings();
    Object.assign(this.root.dataset, { running, waiting: this.late, layout: this.whole < 640 ? "narrow" : "wide" });
    enable(this.startButton, !running && !this.late);
    enable(this.stop, running);
    enable(this.forget, runs.length > 1);
    const other = now && ["source", "arm", "each"].some((name) => now[name] !== this.get(name));
    const goesOn = `Run ${now?.number} goes on as it was started; the choice above is for the next run.`;
    setText(this.note, running && other ? goesOn : "");
    setText(this.status, this.words(now, refused));
    setText(this.alert, now?.status === "failed" ? `Run ${now.number} failed: ${now.message}` : refused);
    this.paintChart();
    this.paintTable();
  }

  words(now, refused) {
    if (this.late && this.silent) {
      return "The kernel has not answered for 3 seconds: it is busy, or it was shut down (then run the cell again).";
    }
    const level = this.state.pixels[this.get("each")];
    if (this.spoken || now || refused || level === undefined) return this.spoken;
    return `Logistic regression on the pixels reaches ${exact(level)} with ${labelsOf(this.get("each"))}; `
      + `chance is ${exact(1 / this.data.num_classes)}. Press Start to train.`;
  }

  paintSettings() {
    const source = this.get("source");
    const offered = this.data.sources[source];
    const key = JSON.stringify([source === this.data.none, offered]);
    if (key !== this.armKey) { // anew only where it is new: it may be open
      this.armKey = key;
      this.arm.replaceChildren(...this.data.arms.map(([value, text, control]) => {
        const shown = source === this.data.none ? control : text;
        if (offered.includes(value)) return make("option", { value, text: shown });
        return make("option", { value, text: `${shown} (no such head)`, disabled: "" });
      }));
    }
    this.source.value = source;
    this.each.value = this.get("each");
    this.arm.value = this.get("arm");
  }

  paintChart() {
    const narrow = this.root.dataset.layout === "narrow";
    const beside = narrow ? 112 : this.whole < 900 ? 264 : 296;
    const [left, top, high] = [54, 34, narrow ? 240 : 320];
    const wide = Math.min(this.whole - left - beside, 720);
    const [right, bottom] = [left + wide, top + high];
    const { runs, pixels } = this.state;
    const { steps, num_classes: classes, seeds } = this.data;
    const x = (step) => left + (wide * step) / steps;
    const y = (share) => top + high * (1 - share);
    const parts = [];
    const labels = [];
    const add = (tag, options) => parts.push(draw(tag, options));
    const line = (look, share) => add("line", { class: look, x1: left, x2: right, y1: y(share), y2: y(share) });
    const level = (share, look, text) => {
      line(look, share);
      labels.push({ at: y(share), look, from: right, lines: [`${text}: ${exact(share)}`] });
    };
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
    const each = runs.length ? runs[0].each : this.get("each");
    if (pixels[each] !== undefined) level(pixels[each], "pixels", narrow ? "pixels" : `pixels, ${labelsOf(each)}`);
    level(1 / classes, "chance", "chance");
    for (const [k, run] of [...runs.entries()].reverse()) { // the run of now last, so that it lies on top
      if (!run.steps.length) continue;
      const look = k ? "before" : "now";
      const probe = run.steps.length === 1 && !run.total;
      const path = (of) => (probe ? `M${left} ${y(of(0))}H${right}`
        : run.steps.map((step, n) => `${n ? "L" : "M"}${x(step).toFixed(1)} ${y(of(n)).toFixed(1)}`).join(""));
      for (let s = 0; k === 0 && s < seeds; s++) add("path", { class: "seed", d: path((n) => run.accuracies[n][s]) });
      add("path", { class: look, d: path((n) => mean(run.accuracies[n])), "stroke-dasharray": DASHES[k] });
      const [to, at] = [run.total ? x(lastStep(run)) : right, y(run.mean)];
      if (run.status === "stopped" || run.status === "failed") {
        add("rect", { class: `${look} end`, x: to - 5, y: at - 5, width: 10, height: 10 });
      } else if (run.total) add("circle", { class: `${look} end`, cx: to, cy: at, r: 5 });
      labels.push({ at, look, from: to + 6, lines: this.label(run, narrow) });
    }
    this.plot.setAttribute("width", right + beside);
    this.plot.setAttribute("height", bottom + 48);
    this.plot.replaceChildren(...parts);
    this.paintEnds(labels, right, narrow ? 14 : 26, beside, bottom);
  }

  // What stands at the end of a line.
  label(run, narrow) {
    const [now, last] = this.state.runs;
    if (narrow) return [`${run.number}: ${exact(run.mean)}`];
    const step = lastStep(run);
    const where = {
      running: run.total ? ` at step ${step} of ${run.total}` : "",
      stopped: `, stopped at step ${step}`,
      failed: `, failed after step ${step}`,
    };
    const reached = `${exact(run.mean)}${where[run.status] ?? ""}`;
    if (run === now) return [`run ${run.number}: ${run.name}`, reached];
    const labels = run.each === now.each ? "" : `, ${labelsOf(run.each)}`;
    if (run !== last) return [`run ${run.number}: ${reached}${labels}`];
    const then = now.total && run.above?.step < step ? ` at step ${run.above.step}` : "";
    const above = run.above === null ? [] : [`run ${now.number}: ${apartBy(run.above.mean)}${then}`];
    return [`run ${run.number}: ${run.name}${labels}`, reached, ...above];
  }

  // Labels beside the lines' ends, moved apart, and a thin line from each end to its label.
  paintEnds(labels, right, gap, beside, bottom) {
    const nodes = labels.map(({ look, lines }) =>
      make("div", { class: look }, ...lines.map((text) => make("div", { text }))));
    Object.assign(this.ends.style, { left: `${right + gap}px`, width: `${beside - gap}px` });
    this.ends.replaceChildren(...nodes);
    labels.forEach((label, k) => { label.high = Math.max(nodes[k].offsetHeight, LINE) + 4; });
    apart(labels, bottom + 30);
    labels.forEach(({ look, at, from, top, high }, k) => {
      nodes[k].style.top = `${top}px`;
      const d = `M${from} ${at}H${right + 4}L${right + gap - 4} ${top + high / 2}`;
      this.plot.append(draw("path", { class: `leader ${look}`, d }));
    });
  }

  paintTable() {
    const { runs } = this.state;
    const { seeds, tests } = this.data;
    this.table.hidden = !runs.length;
    if (!runs.length) return;
    const head = ["run", "source and arm", "labels a class", "steps", "test accuracy"];
    if (runs.length > 1) head.push(`run ${runs[0].number} against it`);
    const rows = runs.map((run, k) => {
      const line = draw("path", { class: k ? "before" : "now", d: "M1 7H39", "stroke-dasharray": DASHES[k] });
      const key = draw("svg", { width: 40, height: 14, "aria-hidden": "true" }, line);
      const node = row("td", ...this.cells(run, k));
      node.prepend(make("th", { scope: "row" }, key, make("span", { text: run.number })));
      if (k === 0) node.className = "current";
      return node;
    });
    const several = `Mean of ${seeds} seeds ± half of the 95 % interval, on ${tests} test images.`;
    const title = row("th", ...head);
    for (const cell of title.children) cell.scope = "col";
    this.table.replaceChildren(make("caption", { text: seeds > 1 ? several : `One seed, ${tests} test images.` }),
      make("thead", {}, title), make("tbody", {}, ...rows));
  }

  cells(run, k) {
    const [now, ...others] = this.state.runs;
    const step = lastStep(run);
    const steps = {
      running: run.total ? `${step} of ${run.total}` : "…",
      finished: run.total || "none",
      stopped: `stopped at ${step}`,
      failed: `failed at ${step}`,
    }[run.status];
    const reached = run.mean === null ? "–" : `${exact(run.mean)}${about(run.half)}`;
    const cells = [run.name, run.each, steps, reached];
    if (!others.length) return cells;
    if (!run.above) return [...cells, k ? "–" : ""];
    const { mean: by, half, step: at } = run.above;
    return [...cells, `${signed(by)}${about(half)} points${now.total && at < now.total ? ` at step ${at}` : ""}`];
  }
}

export default figure(() => Lab);
