// Chapter 4: the mean query loss after m steps, for every start; the reader slides m and picks starts.
import { announcer, digits, el, numbers, player, range, slider } from "./kit.js";
import { Plot, handle } from "./plot.js";
import { numbersOn, writeNumbers } from "./contours.js";

export function build(stage, data) {
  const say = announcer(stage);
  const frames = data.frames.map(({ map, ...rest }) => ({ ...rest, map: numbers(map) }));
  const last = frames.length - 1;
  const [rows, columns] = data.shape;
  const cell = [data.bMax / (columns - 1), data.aMax / (rows - 1)];
  const mine = [Math.round(0.1 * columns), Math.round(0.8 * (rows - 1))]; // a start of the reader's own
  let m = 0;
  const plot = new Plot({
    label: "Mean query loss after m steps, for every start: dark is low. The star marks the lowest place, the square the lowest place before any step, the dot a start of your own.",
    title: "loss after m steps", x: [0, data.bMax], y: [0, data.aMax], xLabel: "shift b of the start", yLabel: "height a of the start",
    xTicks: [0, 1, 2, 3], yTicks: [0, 1, 2, 3, 4, 5], height: 360, live: true });
  const [star, square, dot] = range(3).map(() => el("span", { class: "mf-number" }));
  const at = () => mine.map((k, i) => k * cell[i]);
  const words = (b, a) => `at a = ${digits(a, 1)}, b = ${digits(b)}`;

  function draw() {
    const { lowest, best, fromSquare, map } = frames[m];
    const first = frames[0].best;
    const after = m === 0 ? "before any step" : `after ${m} step${m > 1 ? "s" : ""}`;
    plot.title = `mean query loss ${after}`;
    if (plot.width) {
      plot.frame();
      plot.bands(frames[m].map, data.shape, data.levels, data.colours);
    }
    plot.clear();
    plot.text(first[1], first[0], "■", { dy: 6, look: "mf-square" });
    plot.text(best[1], best[0], "★", { dy: 8, look: "mf-star mf-star-red" });
    const own = digits(frames[m].map[mine[1] * columns + mine[0]]);
    star.textContent = `${digits(lowest)}, ${words(best[1], best[0])}`;
    dot.textContent = `${own}, ${words(...at())}`;
    square.textContent = digits(fromSquare);
    const spots = numbersOn(plot, map, data.shape, data.levels, [best[1], best[0]]);
    writeNumbers(plot, spots, [at(), ...[first, best].map(([a, b]) => [b, a])]);
    say(`${after}: best start a ${digits(best[0], 1)}, b ${digits(best[1])}, loss ${digits(lowest)}; the best start before any step has ${digits(fromSquare)}, yours ${own}.`);
    plot.handles.forEach((place) => place());
  }
  /** The start of the grid that lies nearest. */
  function pick(b, a) {
    [b, a].forEach((value, i) => (mine[i] = Math.round(value / cell[i])));
    draw();
  }
  handle(plot, { label: "a start of your own", look: "mf-pick", at, move: pick, text: (b, a) => `height a ${digits(a, 1)}, shift b ${digits(b)}`, step: cell });
  plot.svg.addEventListener("click", (event) => pick(...plot.place(event)));
  const steps = slider({ label: "steps m", min: 0, max: last, step: 1, value: 0, change: (v) => ((m = v), draw()) });
  const play = player(steps, last, (v) => ((m = v), draw()));
  stage.prepend(
    el("p", { class: "mf-how" }, "Slide m. Tap the map, or drag the dot (Tab to it, then arrow keys), to read the loss of a start."),
    el("div", { class: "mf-play" }, play.node, steps.node),
    el("div", { class: "mf-one" }, plot.node),
    el("ul", { class: "mf-key mf-lines" },
      el("li", {}, el("span", { class: "mf-red", "aria-hidden": "true" }, "★"), el("span", {}, "best start for this m:"), star),
      el("li", {}, el("span", { "aria-hidden": "true" }, "■"), el("span", {}, "best start before any step:"), square),
      el("li", {}, el("span", { "aria-hidden": "true" }, "●"), el("span", {}, "your start:"), dot),
      el("li", {}, "A number stands where a band begins. The colours mean the same at every m."),
      el("li", {}, "Ragged edges, at large m: from there the steps on some wave end in another valley than from the start beside it.")));
  plot.redraw = draw;
  draw();
}
