// Chapter 4: the mean query loss after m steps, for every start; the reader slides m.
import { announcer, digits, el, numbers, player, range, slider } from "./kit.js";
import { Plot } from "./plot.js";

export function build(stage, data) {
  const say = announcer(stage);
  const frames = data.frames.map(({ map, ...rest }) => ({ ...rest, map: numbers(map) }));
  const last = frames.length - 1;
  let m = 0;
  const plot = new Plot({
    label: "Mean query loss after m steps, for every start: dark is low. The star marks the lowest place, the square the lowest place before any step.",
    title: "loss after m steps", x: [0, data.bMax], y: [0, data.aMax], xLabel: "shift b of the start", yLabel: "height a of the start",
    xTicks: [0, 1, 2, 3], yTicks: [0, 1, 2, 3, 4, 5], height: 360 });
  const curve = new Plot({
    label: "Mean query loss against m, from the best start for m steps and from the best start before any step.",
    title: "along m", x: [0, last], y: [0, 3.2], xLabel: "steps m", yLabel: "mean query loss",
    xTicks: [0, 5, 10, 15, 20], yTicks: [0, 1, 2, 3], height: 360 });
  const summary = el("p", { class: "mf-sum" });

  function draw() {
    const { lowest, best, fromSquare } = frames[m];
    const square = frames[0].best;
    plot.title = m === 0 ? "before any step" : `after ${m} step${m > 1 ? "s" : ""}`;
    if (plot.width) {
      plot.frame();
      plot.bands(frames[m].map, data.shape, frames[m].levels, data.colours);
    }
    plot.clear();
    const trail = frames.slice(0, m + 1).map((f) => f.best);
    plot.line(trail.map((t) => t[1]), trail.map((t) => t[0]), "mf-white-line");
    plot.text(square[1], square[0], "■", { dy: 6, look: "mf-square" });
    plot.text(best[1], best[0], "★", { dy: 8, look: "mf-star mf-star-red" });
    curve.clear();
    curve.line(range(last + 1), frames.map((f) => f.fromSquare), "mf-blue mf-dashed");
    curve.line(range(last + 1), frames.map((f) => f.lowest), "mf-vermilion");
    curve.dot(m, fromSquare, "mf-blue");
    curve.dot(m, lowest, "mf-vermilion");
    const where = `lowest at a = ${digits(best[0], 1)}, b = ${digits(best[1])}: ${digits(lowest)}; from the square ${digits(fromSquare)}`;
    summary.textContent = `m = ${m}: ${where}.`;
    say(summary.textContent);
  }
  const steps = slider({ label: "steps m", min: 0, max: last, step: 1, value: 0, change: (v) => ((m = v), draw()) });
  const play = player(steps, last, (v) => ((m = v), draw()));
  stage.prepend(
    el("p", { class: "mf-how" }, "Slide m and watch the star. (Every m has its own scale: dark is low for that map.)"),
    el("div", { class: "mf-panels" }, plot.node, curve.node),
    el("div", { class: "mf-play" }, play.node, steps.node),
    summary);
  plot.redraw = curve.redraw = draw;
  draw();
}
