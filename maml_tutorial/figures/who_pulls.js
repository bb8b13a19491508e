// Chapter 9: two tasks pull at one θ; the reader chooses who weighs the pulls, and lets it run.
import { announcer, button, choice, digits, el, key, mean, range, slider } from "./kit.js";
import { Plot, handle } from "./plot.js";

/** Where a task ½h(φ − c)² leads from θ, and the gradient that a relative of MAML takes for it. */
export function pullOf(relative, theta, { h, c }, alpha, k) {
  const walk = (1 - alpha * h) ** k; // share of the way to c that k steps leave
  const spring = 1 / (1 + alpha * h); // and that a spring of strength λ = 1/α leaves
  const left = { implicit: spring, joint: 1 }[relative] ?? walk;
  const phi = c + left * (theta - c);
  const slope = h * (phi - c);
  const gradient = { exact: walk * slope, Reptile: theta - phi, implicit: spring * slope }[relative] ?? slope;
  return { phi, gradient };
}

export const meanGradient = (relative, theta, tasks, alpha, k) =>
  mean(tasks.map((task) => pullOf(relative, theta, task, alpha, k).gradient));

/** How hard each task pulls at a distance of one; repeated steps end at the mean of c so weighted. */
export const weightsOf = (relative, tasks, alpha, k) =>
  tasks.map((task) => pullOf(relative, task.c + 1, task, alpha, k).gradient);

export function endOf(relative, tasks, alpha, k) {
  const weights = weightsOf(relative, tasks, alpha, k);
  return mean(tasks.map(({ c }, i) => weights[i] * c)) / mean(weights);
}

/** What counts in the end, whoever pulled: the mean loss after k plain steps from θ. */
export const lossAfter = (theta, tasks, alpha, k) =>
  mean(tasks.map(({ h, c }) => (h / 2) * ((1 - alpha * h) ** k * (theta - c)) ** 2));

/** One outer step. Reptile's gradient is αk times a mean slope, and its step size so much larger. */
export function outerStep(relative, theta, tasks, alpha, k, beta) {
  const rate = relative === "Reptile" ? beta / (alpha * k) : beta;
  return theta - rate * meanGradient(relative, theta, tasks, alpha, k);
}

// In the order of their ends with one step, from the flat task to the steep one: no name is crossed.
const LOOKS = { exact: "mf-vermilion", "first order": "mf-green", implicit: "mf-grey", Reptile: "mf-purple", joint: "mf-blue" };
const RULES = {
  exact: "Exact MAML: the slope at φ, times how far φ moves when θ moves by one, (1 − αh)ᵏ.",
  "first order": "First order: the slope at φ, as if φ moved as far as θ does.",
  Reptile: "Reptile: the way from θ to φ itself. (Its outer step size is β/(αk), so that with k = 1 it takes joint training’s steps.)",
  implicit: "Implicit: φ rests where a spring of strength λ = 1/α holds it to θ; the slope there, times how far that place moves when θ moves by one, λ/(λ + h). It does not ask for k.",
  joint: "Joint training: the slope at θ itself. No inner step while it trains; the steps come afterwards.",
};
const ROW = 0.146; // a row of the ends, as a share of the loss axis

export function build(stage, { tasks, theta, alpha, k, beta }) {
  const say = announcer(stage);
  const names = Object.keys(LOOKS);
  const opening = () => ({ theta, alpha, k, relative: "exact", found: new Set(), steps: 0 });
  let state = opening();
  let timer;
  const [low, high] = [-1.6, 1.6];
  const grid = range(129).map((i) => low + i / 40);
  const ground = -0.75; // θ's own height, below the losses
  const lanes = { [tasks[0].name]: -1.95, [tasks[1].name]: -2.95, mean: -3.95 };
  const pulls = new Plot({
    label: "The losses of both tasks, the place φ to which each leads from θ, and below them the pull of each task at θ and their mean. θ can be moved.",
    title: "both losses, and below the pulls at θ", x: [low, high], y: [-4.4, 5], xLabel: "φ and θ", xTicks: [-1, 0, 1], yTicks: [0, 2, 4], height: 330, live: true });
  const ends = new Plot({
    label: "Mean loss after adaptation for every θ, and below it a row for each relative: a dot marks where its repeated outer steps end.",
    x: [low, high], y: [-1, 1], xLabel: "θ", xTicks: [-1, 0, 1], height: 300 });
  const rule = el("p", { class: "mf-how" });
  const line = el("p", { class: "mf-sum" });
  const rows = names.map((name) => ({ name, cells: range(3).map(() => el("td")) }));

  function draw() {
    const { relative, alpha, k } = state;
    const now = tasks.map((task) => pullOf(relative, state.theta, task, alpha, k));
    const all = [...now.map(({ gradient }) => -gradient), -meanGradient(relative, state.theta, tasks, alpha, k)];
    const weights = weightsOf(relative, tasks, alpha, k);
    const signed = (v) => (v > 0 && digits(v) !== digits(0) ? "+" : "") + digits(v);
    pulls.clear();
    const losses = tasks.map(({ h, c }) => (x) => (h / 2) * (x - c) ** 2);
    pulls.line([low, high], [0, 0], "mf-ink mf-hair");
    pulls.line([state.theta, state.theta], [ground, Math.max(...losses.map((loss) => loss(state.theta)))], "mf-ink mf-thin mf-dotted");
    pulls.text(state.theta, ground, "θ", { dx: state.theta > 1.3 ? -17 : 17, dy: 5 });
    tasks.forEach(({ name }, i) => {
      const [loss, { phi }] = [losses[i], now[i]];
      const way = range(33).map((j) => state.theta + (j / 32) * (phi - state.theta));
      pulls.line(grid, grid.map(loss), i ? "mf-ink mf-thin mf-dashed" : "mf-ink mf-thin");
      pulls.line(way, way.map(loss), LOOKS[relative]);
      pulls.dot(state.theta, loss(state.theta), "mf-ink", 3.5);
      pulls.dot(phi, loss(phi), LOOKS[relative], 6);
      pulls.text(i ? 0.5 : low, i ? 4.5 : loss(low), `${name} task`, { anchor: "start", dx: i ? 10 : 14, dy: i ? 0 : -4 });
    });
    Object.entries(lanes).forEach(([name, lane], i) => {
      // One scale for each relative: the two arrows together reach to where it ends.
      const tip = state.theta + all[i] / (2 * mean(weights));
      pulls.arrow([state.theta, lane], [tip, lane], i < 2 ? "mf-ink" : LOOKS[relative]);
      pulls.text(low, lane, `${i < 2 ? `${name} task pulls` : "mean pull"} ${signed(all[i])}`, { anchor: "start", dx: 6, dy: -9 });
    });
    const after = (x) => lossAfter(x, tasks, alpha, k);
    const top = [0.2, 0.4, 0.8, 1.6].find((t) => t > 1.3 * after(endOf("joint", tasks, alpha, k))) ?? 3.2;
    ends.title = `mean loss after ${k} plain step${k > 1 ? "s" : ""} from θ`;
    ends.y = [-5.3 * ROW * top, top];
    ends.yTicks = [0, top / 2, top];
    if (ends.width) ends.frame();
    ends.clear();
    ends.line([low, high], [0, 0], "mf-ink mf-hair");
    ends.line(grid, grid.map(after), "mf-ink");
    rows.forEach(({ name, cells }, i) => {
      const [end, height] = [endOf(name, tasks, alpha, k), -top * ROW * (i + 0.55)];
      const done = state.found.has(name);
      if (done) {
        ends.line([end, end], [after(end), height], `${LOOKS[name]} mf-thin`);
        ends.dot(end, after(end), LOOKS[name], 5);
        ends.dot(end, height, LOOKS[name], 6);
        const left = end > 0.7; // no room on the right
        ends.text(end, height, name, { anchor: left ? "end" : "start", dx: left ? -11 : 11, dy: 4 });
      } else ends.text(low, height, `${name}: not run yet`, { anchor: "start", dx: 6, dy: 4, look: "mf-grey-text" });
      const share = weightsOf(name, tasks, alpha, k);
      const percent = Math.round((100 * share[0]) / (share[0] + share[1]));
      const found = [digits(end), `${percent} : ${100 - percent}`, digits(after(end), 3)];
      cells.forEach((cell, j) => (cell.textContent = done ? found[j] : "?"));
    });
    ends.line([state.theta, state.theta], [0, after(state.theta)], "mf-ink mf-thin mf-dotted");
    ends.dot(state.theta, after(state.theta), "mf-ink", 3.5);
    rule.textContent = RULES[relative];
    const run = state.steps ? ` after ${state.steps} outer step${state.steps > 1 ? "s" : ""}` : "";
    line.textContent = `${relative}: θ = ${digits(state.theta)}${run}, mean gradient ${digits(-all[2])}`;
    const places = tasks.map(({ name }, i) => `${name} task φ ${digits(now[i].phi)}, pull ${signed(all[i])}`).join("; ");
    const ended = state.found.has(relative) ? ` Repeated steps end at ${digits(endOf(relative, tasks, alpha, k))}.` : "";
    say(`${line.textContent}. ${places}.${ended}`);
    pulls.handles.forEach((place) => place());
  }

  function rest() {
    clearInterval(timer);
    timer = undefined;
    runs.textContent = "▶ Let it run";
  }
  /** The reader's hand ends a run, and counts its steps anew. */
  function change(what) {
    rest();
    Object.assign(state, { steps: 0 }, what);
    draw();
  }
  const next = (at) => outerStep(state.relative, at, tasks, state.alpha, state.k, beta);
  function run() {
    if (timer) return rest();
    const end = endOf(state.relative, tasks, state.alpha, state.k);
    const path = [state.theta];
    while (Math.abs(path[path.length - 1] - end) > 0.0005) path.push(next(path[path.length - 1]));
    const last = path.length - 1;
    const to = (i) => {
      Object.assign(state, { theta: i < last ? path[i] : end, steps: i });
      if (i === last) state.found.add(state.relative);
      draw();
    };
    if (!last || matchMedia("(prefers-reduced-motion: reduce)").matches) return to(last);
    const frames = Math.min(last, 40); // a long run is shown in strides
    let frame = 0;
    runs.textContent = "❚❚ Stop";
    timer = setInterval(() => {
      to(Math.round((++frame / frames) * last));
      if (frame === frames) rest();
    }, 60);
  }
  const runs = button("▶ Let it run", run);
  const once = button("One outer step", () => {
    const steps = state.steps + 1;
    change({ theta: next(state.theta), steps });
  });
  const rate = slider({ label: "step size α", min: 0.01, max: 0.25, step: 0.01, value: alpha, format: (v) => digits(v), change: (v) => change({ alpha: v }) });
  const count = slider({ label: "inner steps k", min: 1, max: 5, step: 1, value: k, change: (v) => change({ k: v }) });
  const who = choice({ label: "who pulls:", options: names.map((name) => [name, name]), value: "exact", change: (relative) => change({ relative }) });
  const reset = button("As at first", () => {
    const first = opening();
    rate.set(first.alpha);
    count.set(first.k);
    who.querySelector("input").checked = true;
    change(first);
  });
  const move = (x) => change({ theta: Math.round(20 * x) / 20 });
  handle(pulls, { label: "θ, the start of both tasks", look: "mf-ink", at: () => [state.theta, ground], move, text: (x) => `θ ${digits(x)}`, step: [0.05, 0] });
  pulls.svg.addEventListener("click", (event) => move(pulls.place(event)[0]));
  stage.prepend(
    el("p", { class: "mf-sum" }, "Predict first: a flat task and a steep one pull at one θ. Nearer to which of the two does θ end when exact MAML pulls? When first order does? And when both are simply trained jointly?"),
    el("p", { class: "mf-how" }, "Drag θ (or Tab to it, then arrow keys), choose who pulls, and let it run. The ends that you have found stay, and follow α and k."),
    who, rule,
    el("div", { class: "mf-row" }, runs, once, reset),
    line,
    el("div", { class: "mf-panels" }, pulls.node, ends.node),
    el("ul", { class: "mf-key" }, el("li", {}, "small dots: at θ; large ones: at φ, where θ leads in each task"), key("θ now", "mf-ink mf-thin mf-dotted").node),
    el("div", { class: "mf-controls" }, rate.node, count.node),
    el("table", { class: "mf-table mf-ends" },
      el("thead", {}, el("tr", {}, ...["who pulls", "ends at θ", `${tasks[0].name} : ${tasks[1].name}`, "loss there"].map((words) => el("th", { scope: "col" }, words)))),
      el("tbody", {}, ...rows.map(({ name, cells }) => el("tr", {}, el("th", { scope: "row" }, name), ...cells)))),
    el("p", { class: "mf-how" }, `Flat task: ½(φ − 1)², curvature h = 1. Steep task: ½ · 4(φ + 1)², h = 4. Support and query points give the same loss here, so that nothing but the pulls differs. Arrows have one scale for each relative, for their ratio alone decides where θ ends: “${tasks[0].name} : ${tasks[1].name}” has it in percent. “Loss there” is judged alike for all: the mean loss after k plain steps from that end.`));
  pulls.redraw = ends.redraw = draw;
  draw();
}
