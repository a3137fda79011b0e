// The transfer lab in the page: settings and orders go to the kernel, curves come back as they grow.
// The model holds `data` (fixed), the settings, `asked` (the number of the last order, and which) and `state`: the runs,
// that of now first. An order is answered when `state.answered` has reached its number.

const SVG = "http://www.w3.org/2000/svg";
const SLOW = 3000; // milliseconds without an answer until that is said
const DASHES = ["9 5", "2 4", "10 4 2 4"]; // of the runs before, the last one first
const LINE = 20; // pixels from one label to the next, at least

// ---- small helpers --------------------------------------------------------------------------------------------------

function fill(node, { text, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

const make = (tag, options = {}, ...children) => fill(document.createElement(tag), options, children);
const draw = (tag, options = {}, ...children) => fill(document.createElementNS(SVG, tag), options, children);

function button(text, action, refuse = () => {}) {
  const node = make("button", { type: "button", text });
  node.addEventListener("click", () => (node.getAttribute("aria-disabled") === "true" ? refuse : action)());
  return node;
}

// Not `disabled`: that would take the focus from a hand on the keys.
const enable = (node, on) => node.setAttribute("aria-disabled", String(!on));

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
const points = (share) => `${Math.abs(100 * share).toFixed(1)}\u00a0points`;
const signed = (share) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;
const labelsOf = (n) => `${n}\u00a0label${n === 1 ? "" : "s"} a class`;
const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

// Move places until neighbours keep their distance, and all stay between 0 and `room`; the order stays.
function apart(items, room) {
  const sorted = [...items].sort((a, b) => a.at - b.at);
  let free = 0;
  for (const item of sorted) {
    item.top = Math.max(item.at - item.high / 2, free);
    free = item.top + item.high;
  }
  free = room;
  for (const item of sorted.reverse()) {
    item.top = Math.min(item.top, free - item.high);
    free = item.top;
  }
}

// ---- the lab --------------------------------------------------------------------------------------------------------

class Lab {
  constructor(model, host) {
    this.model = model;
    this.data = model.get("data");
    this.told = ""; // of which moment the spoken line has told
    this.timer = null;
    this.root = make("div", { class: "lec-transfer", "data-lab": this.data.id });
    this.root.addEventListener("keydown", (event) => this.keyAnywhere(event));
    this.build();
    host.append(this.root);
    this.listeners = ["source", "arm", "each", "asked", "state"].map((name) => [`change:${name}`, () => this.changed(name)]);
    for (const [event, listener] of this.listeners) model.on(event, listener);
    this.resized = new ResizeObserver(() => this.paintChart());
    this.resized.observe(this.root);
    this.spoken = "";
    this.changed("state");
  }

  remove() {
    for (const [event, listener] of this.listeners) this.model.off(event, listener);
    this.resized.disconnect();
    clearTimeout(this.timer);
    this.root.remove();
    const others = document.querySelectorAll(`.lec-transfer[data-lab="${this.data.id}"]`).length;
    if (others || !this.state.running) return;
    try {
      this.ask("stop"); // nobody watches any more
    } catch { /* the kernel has gone, and its training with it */ }
  }

  get(name) {
    return this.model.get(name);
  }

  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  // JupyterLab would take plain keys from a figure; what it needs itself passes.
  keyAnywhere(event) {
    const theirs = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter")
      || /^(Page(Up|Down)|F\d+)$/.test(event.key);
    if (!theirs) event.stopPropagation();
  }

  // ---- what is there

  build() {
    const options = (pairs) => pairs.map(([value, text]) => make("option", { value, text }));
    const { sources, labels } = this.data;
    this.source = make("select", {}, ...options(Object.keys(sources).map((name) => [name, name])));
    this.each = make("select", {}, ...options(labels.map((n) => [n, n])));
    this.arm = make("select", {});
    this.source.addEventListener("change", () => this.chooseSource());
    this.each.addEventListener("change", () => this.set({ each: Number(this.each.value) }));
    this.arm.addEventListener("change", () => this.set({ arm: this.arm.value }));
    this.start = button("Start", () => this.ask("start"), () => this.busy());
    this.stop = button("Stop", () => this.ask("stop"));
    this.forget = button("Forget earlier runs", () => this.ask("forget"));
    this.start.classList.add("start");
    const choice = (text, select) => make("label", {}, make("span", { text }), select);
    this.controls = make("div", { class: "controls", role: "group", "aria-label": "settings of the next run" },
      choice("source", this.source), choice("labels for each class", this.each), choice("arm", this.arm),
      make("span", { class: "group" }, this.start, this.stop, this.forget));
    this.note = make("p", { class: "note" });
    this.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
    this.alert = make("p", { class: "alert", role: "alert" });
    this.plot = draw("svg", { "aria-hidden": "true" });
    this.ends = make("div", { class: "ends", "aria-hidden": "true" });
    this.chart = make("div", { class: "chart" }, this.plot, this.ends);
    this.table = make("table", {});
    this.root.append(this.controls, this.note, this.chart, this.status, this.alert, make("div", { class: "rows" }, this.table));
  }

  chooseSource() {
    const source = this.source.value;
    const offered = this.data.sources[source];
    const fits = offered.includes(this.get("arm"));
    if (!fits) this.spoken = `${source} has no head of ${this.data.classes} classes to keep: the arm is “${offered[0]}” now.`;
    this.set(fits ? { source } : { source, arm: offered[0] });
    this.paint();
  }

  // ---- orders and answers

  ask(what) {
    this.spoken = { start: "Starting …", stop: "Stopping …", forget: "" }[what];
    this.set({ asked: [this.get("asked")[0] + 1, what] });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.paint(), SLOW);
    this.slowFrom = performance.now() + SLOW - 50;
    this.paint();
  }

  busy() {
    if (!this.state.running) return;
    this.spoken = `Run ${this.state.runs[0].number} is being trained: stop it first, or wait for its end.`;
    this.paint();
  }

  get late() {
    return this.state.answered < this.get("asked")[0];
  }

  changed(name) {
    if (name === "state") {
      this.state = this.get("state");
      this.hear();
    }
    this.paint();
  }

  // Say what has happened, but not each point: begin, quarters and end.
  hear() {
    const [now] = this.state.runs;
    if (this.late) return;
    if (this.state.refused) this.spoken = "";
    else if (!now) this.spoken = "";
    else {
      const step = now.steps.length ? now.steps[now.steps.length - 1] : -1;
      const quarter = now.total ? Math.floor((4 * step) / now.total) : 0;
      const moment = `${now.number} ${now.status} ${now.status === "running" ? quarter : ""}`;
      if (moment === this.told && this.get("asked")[1] !== "stop") return;
      this.told = moment;
      this.spoken = this.sentence(now, step);
    }
  }

  sentence(run, step) {
    const who = `Run ${run.number}, ${run.name}, ${labelsOf(run.each)}`;
    const reached = run.mean === null ? "" : `${percent(run.mean)}${run.half === null ? "" : ` ± ${(100 * run.half).toFixed(1)}`}`;
    if (run.status === "failed") return `${who}: failed${step > 0 ? ` after step ${step}` : ""}.`;
    if (run.status === "running") {
      if (step <= 0) return `${who}: ${run.total ? "training has begun" : "learning"}.`;
      return `${who}: ${percent(run.mean)} at step ${step} of ${run.total}.${this.against(step)}`;
    }
    if (run.status === "stopped") return `${who}: stopped at step ${Math.max(step, 0)}${reached ? `, ${reached}` : ""}.${this.against(step)}`;
    return `${who}: ${reached}${run.total ? ` after ${run.total} steps` : ", without a step"}.${this.against(step)}`;
  }

  // How far the run of now lies above the last one.
  against(step) {
    const [, before] = this.state.runs;
    if (!before?.above) return "";
    const { mean: by, half, step: at } = before.above;
    const far = before.total && at < before.steps[before.steps.length - 1];
    const where = at < step ? `, at step ${at}` : far && this.state.runs[0].total ? ", at the same step" : "";
    const between = half === null ? "" : ` (95\u00a0% interval ${signed(by - half)} to ${signed(by + half)})`;
    const other = before.each === this.state.runs[0].each ? before.name : `${before.name}, ${labelsOf(before.each)}`;
    return ` That is ${points(by)} ${by < 0 ? "below" : "above"} run ${before.number}, ${other}${where}${between}.`;
  }

  // ---- drawing

  paint() {
    const { running, runs, refused } = this.state;
    this.source.value = this.get("source");
    this.each.value = String(this.get("each"));
    this.paintArms();
    this.root.dataset.running = running;
    this.root.dataset.waiting = this.late;
    enable(this.start, !running && !this.late);
    enable(this.stop, running);
    enable(this.forget, runs.length > 1);
    const [now] = runs;
    const other = now && ["source", "arm", "each"].some((name) => now[name] !== this.get(name));
    setText(this.note, running && other ? `Run ${now.number} goes on as it was started; the choice above is for the next run.` : "");
    const silent = this.late && performance.now() > this.slowFrom;
    const level = this.state.pixels[this.get("each")];
    const hint = level === undefined ? "" : `Logistic regression on the pixels reaches ${percent(level)} with ${labelsOf(this.get("each"))}; `
      + `chance is ${percent(1 / this.data.classes)}. Press Start to train.`;
    setText(this.status, silent ? "The kernel has not answered for 3 seconds: it is busy, or it was shut down (then run the cell again)."
      : this.spoken || (now || refused ? "" : hint));
    setText(this.alert, now?.status === "failed" ? `Run ${now.number} failed: ${now.message}` : refused);
    this.paintChart();
    this.paintTable();
  }

  paintArms() {
    const source = this.get("source");
    const offered = this.data.sources[source];
    const key = JSON.stringify([source === this.data.none, offered]);
    if (key !== this.armKey) {
      this.armKey = key;
      this.arm.replaceChildren(...this.data.arms.map(([value, text, control]) => {
        const fits = offered.includes(value);
        const shown = source === this.data.none ? control : text;
        const option = make("option", { value, text: fits ? shown : `${shown} (no such head)` });
        option.disabled = !fits;
        return option;
      }));
    }
    this.arm.value = this.get("arm");
  }

  // A line for each run, the one of now last, so that it lies on top.
  lines() {
    return this.state.runs.map((run, k) => ({ run, look: k === 0 ? "now" : `before before-${k}`, dash: k === 0 ? "" : DASHES[k - 1] })).reverse();
  }

  paintChart() {
    const whole = this.root.clientWidth - 12;
    if (whole <= 0) return;
    const narrow = whole < 640;
    this.root.dataset.layout = narrow ? "narrow" : "wide";
    const beside = narrow ? 112 : whole < 900 ? 264 : 296;
    const [left, top, high] = [54, 34, narrow ? 240 : 320];
    const wide = Math.min(whole - left - beside, 720);
    const { runs, pixels } = this.state;
    const end = this.data.steps;
    const x = (step) => left + (wide * step) / end;
    const y = (share) => top + high * (1 - share);
    this.plot.setAttribute("width", left + wide + beside);
    this.plot.setAttribute("height", top + high + 48);
    const parts = [];
    for (let share = 0; share <= 10; share += 2) {
      parts.push(draw("line", { class: share ? "grid" : "axis", x1: left, x2: left + wide, y1: y(share / 10), y2: y(share / 10) }));
      parts.push(draw("text", { x: left - 8, y: y(share / 10) + 5, "text-anchor": "end", text: `${10 * share}\u00a0%` }));
    }
    for (let k = 0; k <= 4; k++) {
      const at = Math.round((end * k) / 4);
      parts.push(draw("line", { class: "axis", x1: x(at), x2: x(at), y1: top + high, y2: top + high + 5 }));
      parts.push(draw("text", { x: x(at), y: top + high + 21, "text-anchor": "middle", text: at }));
    }
    parts.push(draw("text", { x: left + wide / 2, y: top + high + 42, "text-anchor": "middle", text: "training steps" }));
    parts.push(draw("text", { x: 0, y: 15, class: "title", text: "test accuracy" }));
    const labels = [];
    const level = (share, look, text) => {
      parts.push(draw("line", { class: look, x1: left, x2: left + wide, y1: y(share), y2: y(share) }));
      labels.push({ at: y(share), look, from: left + wide, lines: [text] });
    };
    const each = runs.length ? runs[0].each : this.get("each");
    if (pixels[each] !== undefined) level(pixels[each], "pixels", narrow ? `pixels: ${percent(pixels[each])}` : `pixels, ${labelsOf(each)}: ${percent(pixels[each])}`);
    level(1 / this.data.classes, "chance", `chance: ${percent(1 / this.data.classes)}`);
    for (const { run, look, dash } of this.lines()) {
      if (!run.steps.length) continue;
      const path = (of) => run.steps.length === 1 && !run.total ? `M${left} ${y(of(0))}H${left + wide}`
        : run.steps.map((step, k) => `${k ? "L" : "M"}${x(step).toFixed(1)} ${y(of(k)).toFixed(1)}`).join("");
      if (look === "now") for (let s = 0; s < this.data.seeds; s++) {
        parts.push(draw("path", { class: "seed", d: path((k) => run.accuracies[k][s]) }));
      }
      parts.push(draw("path", { class: look, d: path((k) => mean(run.accuracies[k])), "stroke-dasharray": dash }));
      const to = run.total ? x(run.steps[run.steps.length - 1]) : left + wide;
      const at = y(run.mean);
      if (run.status === "stopped" || run.status === "failed") {
        parts.push(draw("rect", { class: `${look} end`, x: to - 5, y: at - 5, width: 10, height: 10 }));
      } else if (run.total) parts.push(draw("circle", { class: `${look} end`, cx: to, cy: at, r: 5 }));
      labels.push({ at, look, from: to + 6, lines: this.label(run, narrow) });
    }
    this.plot.replaceChildren(...parts);
    this.paintEnds(labels, left + wide + (narrow ? 14 : 26), beside - (narrow ? 14 : 26), left + wide, top + high);
  }

  // What stands at the end of a line.
  label(run, narrow) {
    const [now, last] = this.state.runs;
    if (narrow) return [`${run.number}: ${percent(run.mean)}`];
    const step = run.steps[run.steps.length - 1];
    const where = { running: run.total ? ` at step ${step} of ${run.total}` : "", finished: "", stopped: `, stopped at step ${step}`, failed: `, failed after step ${step}` };
    const reached = `${percent(run.mean)}${where[run.status]}`;
    const labels = run !== now && run.each !== now.each ? `, ${labelsOf(run.each)}` : "";
    if (run === now) return [`run ${run.number}: ${run.name}`, reached];
    if (run !== last) return [`run ${run.number}: ${reached}${labels}`];
    const then = now.total && run.above?.step < step ? ` at step ${run.above.step}` : "";
    const above = run.above === null ? [] : [`run ${now.number}: ${points(run.above.mean)} ${run.above.mean < 0 ? "below" : "above"}${then}`];
    return [`run ${run.number}: ${run.name}${labels}`, reached, ...above];
  }

  // Labels beside the lines' ends, moved apart, and a thin line from each end to its label.
  paintEnds(labels, left, wide, edge, room) {
    const nodes = labels.map((label) => make("div", { class: `${label.look}` }, ...label.lines.map((text) => make("div", { text }))));
    this.ends.style.left = `${left}px`;
    this.ends.style.width = `${wide}px`;
    this.ends.replaceChildren(...nodes);
    labels.forEach((label, k) => { label.high = Math.max(nodes[k].offsetHeight, LINE) + 4; });
    apart(labels, room + 30);
    labels.forEach((label, k) => {
      nodes[k].style.top = `${label.top}px`;
      const middle = label.top + label.high / 2;
      this.plot.append(draw("path", { class: `leader ${label.look}`, d: `M${label.from} ${label.at}H${edge + 4}L${left - 4} ${middle}` }));
    });
  }

  paintTable() {
    const { runs } = this.state;
    this.table.hidden = !runs.length;
    if (!runs.length) return;
    const [now] = runs;
    const compared = runs.length > 1;
    const head = ["run", "source and arm", "labels a class", "steps", "test accuracy"];
    if (compared) head.push(`run ${now.number} against it`);
    const rows = runs.map((run, k) => {
      const step = run.steps.length ? run.steps[run.steps.length - 1] : 0;
      const steps = { running: run.total ? `${step} of ${run.total}` : "…", finished: run.total ? String(run.total) : "none", stopped: `stopped at ${step}`, failed: `failed at ${step}` };
      const half = run.half === null ? "" : ` ± ${(100 * run.half).toFixed(1)}`;
      let against = k ? "–" : "";
      if (run.above) {
        const { mean: by, half: about, step: at } = run.above;
        against = `${signed(by)}${about === null ? "" : ` ± ${(100 * about).toFixed(1)}`} points`;
        if (now.total && at < now.total) against += ` at step ${at}`;
      }
      const key = draw("svg", { width: 40, height: 14, "aria-hidden": "true" },
        draw("path", { class: k ? `before before-${k}` : "now", d: "M1 7H39", "stroke-dasharray": k ? DASHES[k - 1] : "" }));
      const cells = [run.name, run.each, steps[run.status], run.mean === null ? "–" : `${percent(run.mean)}${half}`, ...(compared ? [against] : [])];
      return make("tr", { class: k ? "" : "current" }, make("th", { scope: "row" }, key, make("span", { text: run.number })), ...cells.map((text) => make("td", { text })));
    });
    const about = this.data.seeds > 1 ? `Mean of ${this.data.seeds} seeds ± half of the 95 % interval, on ${this.data.tests} test images.` : `One seed, ${this.data.tests} test images.`;
    this.table.replaceChildren(make("caption", { text: about }),
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", text })))), make("tbody", {}, ...rows));
  }
}

function render({ model, el }) {
  const lab = new Lab(model, el);
  return () => lab.remove();
}

export default { render };
