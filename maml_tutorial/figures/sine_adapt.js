// Chapter 7: three starts adapt to a wave that the reader chooses.
import { announcer, button, choice, digits, el, key, mean, numbers, player, range, slider } from "./kit.js";
import { Plot, handle } from "./plot.js";
import { adapt, predict, unpack } from "./mlp.js";

const STEPS = 20;
const FIRST_POINTS = [-4.4, -1.9, -0.5, 4.1, 4.7]; // an ordinary draw: spread evenly, they would help the pre-trained network too
const OFF = 1000; // an error beyond this, or no number: the descent diverges

export function build(stage, data) {
  const learners = data.learners.map((learner) => ({ ...learner, layers: unpack(numbers(learner.weights), data.sizes) }));
  const grid = range(101).map((i) => -5 + i / 10);
  const state = { height: 3.5, phase: 0.3, steps: 0, innerLr: data.innerLr, free: false, xs: [...FIRST_POINTS], off: FIRST_POINTS.map(() => 0) };
  const wave = (x) => state.height * Math.sin(x - state.phase);
  const say = announcer(stage);

  const plot = new Plot({
    label: "The wave, the support points and the curve of each learner. Points can be moved, added and removed.",
    title: "the curves", x: [-5, 5], y: [-6, 6], xLabel: "x", yLabel: "y",
    xTicks: [-4, -2, 0, 2, 4], yTicks: [-4, 0, 4], height: 320, live: true });
  const errors = new Plot({
    label: "Query error of each learner against the number of inner steps.",
    title: "error on the whole wave", x: [0, STEPS], y: [0, 8], xLabel: "inner steps", yLabel: "mean squared error",
    xTicks: [0, 5, 10, 15, 20], yTicks: [0, 2, 4, 6, 8], height: 320 });

  let handles = [];
  function deal() {
    handles.forEach((h) => h.drop());
    handles = state.xs.map((_, i) =>
      handle(plot, {
        label: `support point ${i + 1}`,
        at: () => [state.xs[i], wave(state.xs[i]) + state.off[i]],
        move: (x, y) => {
          state.xs[i] = x;
          state.off[i] = state.free ? y - wave(x) : state.off[i];
          compute();
        },
        remove: () => remove(i),
        text: (x, y) => `x ${digits(x, 1)}, y ${digits(y, 1)}`,
        step: [0.1, 0.2], look: "mf-ink" }));
  }
  function place(xs) {
    state.xs = [...xs];
    state.off = xs.map(() => 0);
    deal();
    compute();
  }
  function remove(i) {
    if (state.xs.length < 2) return;
    state.xs.splice(i, 1);
    state.off.splice(i, 1);
    deal();
    compute();
    handles[Math.min(i, handles.length - 1)].node.focus();
  }
  function add(x, y) {
    if (state.xs.length >= 20) return;
    state.xs.push(x);
    state.off.push(state.free ? y - wave(x) : 0);
    deal();
    compute();
  }

  // Descent runs again when the points change; the slider of steps only draws.
  function compute() {
    const ys = state.xs.map((x, i) => wave(x) + state.off[i]);
    for (const learner of learners) {
      const path = adapt(learner.layers, state.xs, ys, state.innerLr, STEPS);
      learner.curves = path.map((layers) => predict(layers, grid));
      learner.errors = learner.curves.map((curve) => mean(curve.map((y, i) => (y - wave(grid[i])) ** 2)));
    }
    draw();
  }

  function draw() {
    plot.clear();
    plot.line(grid, grid.map(wave), "mf-ink mf-thin");
    for (const { curves, look } of learners) plot.line(grid, curves[state.steps], look);
    plot.handles.forEach((place) => place());
    errors.clear();
    for (const learner of learners) {
      errors.line(range(STEPS + 1), learner.errors.map((e) => (e < 50 ? e : 50)), learner.look);
      const error = learner.errors[state.steps];
      errors.dot(state.steps, error < 8 ? error : 8, learner.look);
      learner.legend.number.textContent = error < OFF ? digits(error) : "diverges";
    }
    after.textContent = `Error after ${state.steps} step${state.steps === 1 ? "" : "s"}:`;
    const found = learners.map(({ name, legend }) => `${name} ${legend.number.textContent}`);
    say(`${after.textContent} ${found.join(", ")}.`);
  }

  const after = el("span");
  let frozen = true; // the first descent runs when everything is in place
  const sliderOf = (options) =>
    slider({ ...options, change: (value) => (options.change(value), frozen || (options.redraw ?? compute)()) });
  const steps = sliderOf({
    label: "steps", min: 0, max: STEPS, step: 1, value: 0, redraw: draw,
    change: (v) => (state.steps = v) });
  const rates = [0.001, 0.003, 0.01, 0.02, 0.05, 0.1];
  const controls = [
    sliderOf({ label: "amplitude", min: 0.1, max: 5, step: 0.1, value: state.height, format: (v) => digits(v, 1), change: (v) => (state.height = v) }),
    sliderOf({ label: "phase", min: 0, max: 6.2, step: 0.1, value: state.phase, format: (v) => digits(v, 1), change: (v) => (state.phase = v) }),
    sliderOf({
      label: "step size α", min: 0, max: rates.length - 1, step: 1, value: rates.indexOf(data.innerLr),
      format: (i) => String(rates[i]), change: (i) => (state.innerLr = rates[i]) }),
  ];
  const free = choice({
    label: "points", value: false, options: [[false, "on the wave"], [true, "anywhere"]],
    change: (value) => {
      state.free = value;
      plot.svg.classList.toggle("mf-draw", value);
      if (!value) state.off.fill(0);
      compute();
    } });
  const elsewhere = () => {
    const between = (low, high) => low + Math.random() * (high - low);
    state.height = Math.round(between(1, 50)) / 10;
    state.phase = Math.round(between(0, 31)) / 10;
    controls[0].set(state.height);
    controls[1].set(state.phase);
    place(FIRST_POINTS.map(() => between(-5, 5)));
  };
  // A tap puts a point on the wave; where points may lie anywhere, a stroke leaves a trail of them.
  let stroke = null;
  const put = (event) => {
    const [x, y] = plot.place(event);
    if (stroke !== null && Math.abs(x - stroke) < 0.6) return;
    stroke = x;
    add(x, y);
  };
  plot.svg.addEventListener("click", (event) => state.free || put(event));
  plot.svg.addEventListener("pointerdown", (event) => state.free && put(event));
  plot.svg.addEventListener("pointermove", (event) => stroke !== null && event.buttons && put(event));
  for (const end of ["pointerup", "pointercancel", "click"]) plot.svg.addEventListener(end, () => (stroke = null));
  const play = player(steps, STEPS, (value) => ((state.steps = value), draw()));
  for (const learner of learners) learner.legend = key(learner.name, learner.look);
  stage.prepend(
    el("p", { class: "mf-how" }, "Take steps, then change the wave and its points: tap the plot to add one, drag them, or reach them with Tab and use the arrow keys (Delete removes one). With “anywhere”, they may lie off the wave."),
    el("div", { class: "mf-panels" }, el("div", {}, plot.node, el("div", { class: "mf-play" }, play.node, steps.node)), errors.node),
    el("ul", { class: "mf-key" }, el("li", {}, after), ...learners.map((l) => l.legend.node), key("the wave, with the support points", "mf-ink mf-thin").node),
    el("div", { class: "mf-controls" }, ...controls.map((c) => c.node)),
    el("div", { class: "mf-row" }, free,
      button("Another wave", elsewhere),
      button("Points on the right", () => place([0.7, 1.6, 2.5, 3.4, 4.3])),
      button("One point", () => place([1.9])),
      button("Add a point", () => add(-4.5 + 9 * Math.random(), 0))));
  plot.redraw = errors.redraw = () => learners[0].curves && draw();
  deal();
  frozen = false;
  compute();
}
