// Chapter 4: the mean query loss after m steps, for every start; the reader slides m.
import { announcer, digits, el, numbers, player, slider } from "./kit.js";
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
  const [star, square, scale] = ["mf-number", "mf-number", ""].map((look) => el("span", { class: look }));

  function draw() {
    const { lowest, best, fromSquare, levels } = frames[m];
    const first = frames[0].best;
    const after = m === 0 ? "before any step" : `after ${m} step${m > 1 ? "s" : ""}`;
    plot.title = `mean query loss ${after}`;
    if (plot.width) {
      plot.frame();
      plot.bands(frames[m].map, data.shape, levels, data.colours);
    }
    plot.clear();
    plot.text(first[1], first[0], "■", { dy: 6, look: "mf-square" });
    plot.text(best[1], best[0], "★", { dy: 8, look: "mf-star mf-star-red" });
    star.textContent = `${digits(lowest)}, at a = ${digits(best[0], 1)}, b = ${digits(best[1])}`;
    square.textContent = digits(fromSquare);
    scale.textContent = `Darkest ${digits(levels[0])}, lightest ${digits(levels[levels.length - 1])} and more.`;
    say(`${after}: best start a ${digits(best[0], 1)}, b ${digits(best[1])}, loss ${digits(lowest)}; the best start before any step has ${digits(fromSquare)}.`);
  }
  const steps = slider({ label: "steps m", min: 0, max: last, step: 1, value: 0, change: (v) => ((m = v), draw()) });
  const play = player(steps, last, (v) => ((m = v), draw()));
  stage.prepend(
    el("div", { class: "mf-play" }, play.node, steps.node),
    el("div", { class: "mf-one" }, plot.node),
    el("ul", { class: "mf-key mf-lines" },
      el("li", {}, el("span", { class: "mf-red", "aria-hidden": "true" }, "★"), el("span", {}, "best start for this m:"), star),
      el("li", {}, el("span", { "aria-hidden": "true" }, "■"), el("span", {}, "best start before any step:"), square),
      el("li", {}, scale)));
  plot.redraw = draw;
  draw();
}
