// Chapter 1: five points of a wave in the reader's hand; two starts adapt to them at once.
import { announcer, button, choice, digits, el, key, mean, numbers, range } from "./kit.js";
import { Plot, handle } from "./plot.js";
import { adapt, predict, unpack } from "./mlp.js";

const STEPS = [0, 1, 10];
const OFF = 1000; // an error beyond this, or no number: the descent diverges

/** The wave a·sin x + b·cos x that lies closest to the points; none where they leave it open. */
export function bestWave(xs, ys) {
  const [s, c] = [Math.sin, Math.cos].map((f) => xs.map(f));
  const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  const [ss, cc, sc, sy, cy] = [dot(s, s), dot(c, c), dot(s, c), dot(s, ys), dot(c, ys)];
  const det = ss * cc - sc * sc;
  if (det < 0.01) return null;
  const [a, b] = [(cc * sy - sc * cy) / det, (ss * cy - sc * sy) / det];
  return (x) => a * Math.sin(x) + b * Math.cos(x);
}

export function build(stage, data) {
  const learners = data.learners.map((learner) => ({
    ...learner, layers: unpack(numbers(learner.weights), data.sizes), legend: key(learner.name, learner.look) }));
  const grid = range(101).map((i) => -5 + i / 10);
  const state = { xs: [], ys: [], steps: 1 };
  const say = announcer(stage);
  const plot = new Plot({
    label: "Five support points, the wave that fits them best, and the curve of each network. The points can be moved.",
    x: [-5, 5], y: [-6, 6], xTicks: [-4, -2, 0, 2, 4], yTicks: [-4, 0, 4],
    height: (width) => (width < 420 ? 250 : 300), live: true });
  const wave = key("the wave that fits the points best", "mf-ink mf-thin");

  function draw() {
    plot.clear();
    const best = bestWave(state.xs, state.ys);
    wave.number.textContent = best ? "" : "none: the points are too close together";
    if (best) plot.line(grid, grid.map(best), "mf-ink mf-thin");
    for (const { layers, look, legend } of learners) {
      const phi = adapt(layers, state.xs, state.ys, data.innerLr, state.steps)[state.steps];
      const curve = predict(phi, grid);
      plot.line(grid, curve, look);
      legend.number.textContent = error(curve, best);
    }
    plot.handles.forEach((place) => place());
    const found = learners.map(({ name, legend }) => `${name} ${legend.number.textContent}`);
    say(`${after()} ${found.join(", ")}.`);
    count.textContent = after();
  }
  const after = () => `Error after ${state.steps} step${state.steps === 1 ? "" : "s"}:`;
  const error = (curve, best) => {
    const wrong = best ? mean(curve.map((y, i) => (y - best(grid[i])) ** 2)) : 0;
    if (!(wrong < OFF && curve.every(Number.isFinite))) return "diverges";
    const gone = curve.some((y) => Math.abs(y) > 6) ? "leaves the plot" : "";
    return [best ? digits(wrong) : "", gone].filter(Boolean).join(", ") || "–";
  };

  function place(xs, ys) {
    state.xs = [...xs];
    state.ys = [...ys];
    draw();
  }
  const elsewhere = () => {
    const between = (low, high) => low + Math.random() * (high - low);
    const [height, phase] = [between(1, 5), between(0, Math.PI)];
    // One point a fifth of the axis, so that fingers find them apart.
    const xs = range(5).map((i) => -4.7 + 2 * i + between(0, 1.2));
    place(xs, xs.map((x) => height * Math.sin(x - phase)));
  };
  const steps = choice({
    label: "steps", value: state.steps, options: STEPS.map((s) => [s, String(s)]),
    change: (value) => ((state.steps = value), draw()) });
  const count = el("span");
  stage.prepend(
    el("p", { class: "mf-how" }, "Drag a point (or use Tab and the arrow keys)."),
    plot.node,
    el("ul", { class: "mf-key" }, el("li", {}, count), ...learners.map((l) => l.legend.node), wave.node),
    el("div", { class: "mf-row" }, steps, button("Another wave", elsewhere), button("As at first", () => place(data.x, data.y))));
  plot.redraw = () => state.xs.length && draw();
  data.x.forEach((_, i) =>
    handle(plot, {
      label: `support point ${i + 1}`, look: "mf-ink", step: [0.1, 0.2],
      at: () => [state.xs[i] ?? data.x[i], state.ys[i] ?? data.y[i]],
      text: (x, y) => `x ${digits(x, 1)}, y ${digits(y, 1)}`,
      move: (x, y) => {
        [state.xs[i], state.ys[i]] = [x, y];
        draw();
      } }));
  place(data.x, data.y);
}
