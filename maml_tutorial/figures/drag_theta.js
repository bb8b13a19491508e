// Chapter 4: one start, two waves, one step on each; the reader drags the start.
import { announcer, button, digits, el, key, mean, numbers, range, svg } from "./kit.js";
import { Plot, handle } from "./plot.js";
import { numbersOn, writeNumbers } from "./contours.js";

/** Mean squared error of a sin(x − b), and its gradient in (a, b). */
export function loss([a, b], xs, ys) {
  return mean(xs.map((x, i) => (a * Math.sin(x - b) - ys[i]) ** 2));
}

export function step([a, b], xs, ys, innerLr) {
  const off = xs.map((x, i) => 2 * (a * Math.sin(x - b) - ys[i]));
  const slopeA = mean(xs.map((x, i) => off[i] * Math.sin(x - b)));
  const slopeB = mean(xs.map((x, i) => -off[i] * a * Math.cos(x - b)));
  return [a - innerLr * slopeA, b - innerLr * slopeB];
}

export function build(stage, data) {
  const say = announcer(stage);
  const grid = range(101).map((i) => -5 + i / 10);
  const curve = ([a, b]) => grid.map((x) => a * Math.sin(x - b));
  const waves = data.waves.map(({ name, wave, map }) => {
    const of = (x) => wave[0] * Math.sin(x - wave[1]);
    return { name, star: wave, map: numbers(map), truth: curve(wave), support: data.xSupport.map(of), query: data.xQuery.map(of) };
  });
  let theta = data.starts[0].theta;
  const seen = new Set([data.starts[0]]); // a start that was visited stays behind as a ghost
  const here = (start) => start.theta.every((value, i) => value === theta[i]);

  const maps = waves.map((wave) => new Plot({
    label: `Support loss of the ${wave.name} for every start; the start θ can be moved. A star marks the wave itself.`,
    title: `support loss, ${wave.name}`, x: [0, data.bMax], y: [0, data.aMax], xLabel: "shift b", yLabel: "height a",
    xTicks: [0, 1, 2, 3], yTicks: [0, 1, 2, 3, 4, 5], height: 270, live: true }));
  const drawings = waves.map((wave) => new Plot({
    label: `The ${wave.name} with its support points, and the learner’s curve before and after the step.`,
    title: "query loss", x: [-5, 5], y: [-data.aMax, data.aMax], yLabel: "y", xTicks: [-4, 0, 4], yTicks: [-4, 0, 4], height: 170 }));
  const total = el("strong");
  const summary = el("ul", { class: "mf-key" }, el("li", {}, el("span", {}, "mean query loss:"), total));
  const jumps = data.starts.map((start) => button(start.name, () => move(start.theta, seen.add(start))));
  const ghosts = data.starts.map((start) => el("li", {}, el("span", { "aria-hidden": "true" }, "○"), el("span", {}, `${start.name}:`), el("span", { class: "mf-number" })));

  /** Query loss of each wave before and after the step from a start, and where the step leads. */
  const outcome = (start) => waves.map((wave) => {
    const phi = step(start, data.xSupport, wave.support, data.innerLr);
    return { phi, before: loss(start, data.xQuery, wave.query), after: loss(phi, data.xQuery, wave.query) };
  });
  const means = (ends) => ["before", "after"].map((when) => digits(mean(ends.map((end) => end[when]))));

  function move(next) {
    theta = next;
    draw();
  }
  /** A start left behind, and its step, thin and white. */
  function ghost(plot, [a, b], [phiA, phiB]) {
    if (!plot.width) return;
    const [x, y] = [plot.X(b), plot.Y(a)];
    plot.marks.append(
      svg("path", { class: "mf-ghost", d: `M${x} ${y}L${plot.X(phiB)} ${plot.Y(phiA)}`, style: "fill: none; stroke: #fff; stroke-width: 1.5; stroke-dasharray: 4 3" }),
      svg("circle", { class: "mf-ghost", cx: x, cy: y, r: 6, style: "fill: none; stroke: #fff; stroke-width: 2" }));
  }
  function draw() {
    const ends = outcome(theta);
    const left = data.starts.filter((start) => seen.has(start) && !here(start));
    const paths = left.map((start) => [start.theta, outcome(start.theta)]);
    waves.forEach((wave, i) => {
      const [plot, { phi, before, after }] = [maps[i], ends[i]];
      plot.clear();
      for (const [at, steps] of paths) ghost(plot, at, steps[i].phi);
      plot.text(wave.star[1], wave.star[0], "★", { dy: 7, look: "mf-star" });
      for (const look of ["mf-halo", "mf-vermilion"]) plot.line([theta[1], phi[1]], [theta[0], phi[0]], look);
      plot.dot(phi[1], phi[0], "mf-end", 5);
      plot.text(theta[1], theta[0], "θ", { dy: -18, look: "mf-on-map" });
      const busy = [theta, phi, wave.star, ...paths.map(([at]) => at)].map(([a, b]) => [b, a]);
      writeNumbers(plot, wave.numbers ?? [], busy);
      plot.handles.forEach((place) => place());
      const drawing = drawings[i];
      drawing.title = `query loss ${digits(before)} → ${digits(after)}`;
      if (drawing.width) drawing.frame();
      drawing.clear();
      drawing.line(grid, wave.truth, "mf-ink mf-thin");
      drawing.line(grid, curve(theta), "mf-blue mf-dashed");
      drawing.line(grid, curve(phi), "mf-vermilion");
      data.xSupport.forEach((x, k) => drawing.dot(x, wave.support[k], "mf-ink", 4));
    });
    data.starts.forEach((start, k) => {
      jumps[k].setAttribute("aria-pressed", here(start));
      if (!left.includes(start)) return ghosts[k].remove();
      const [before, after] = means(outcome(start.theta));
      ghosts[k].lastChild.textContent = `${before} before, ${after} after`;
      summary.append(ghosts[k]);
    });
    const [before, after] = means(ends);
    total.textContent = `${before} before, ${after} after one step`;
    const each = waves.map(({ name }, i) => `${name} ${digits(ends[i].before)} to ${digits(ends[i].after)}`).join(", ");
    say(`Start a ${digits(theta[0], 1)}, b ${digits(theta[1])}. Mean query loss ${total.textContent}; ${each}.`);
  }

  maps.forEach((plot, i) => {
    handle(plot, {
      label: `start θ on the map of the ${waves[i].name}`, look: "mf-vermilion",
      at: () => [theta[1], theta[0]], move: (b, a) => move([a, b]),
      text: (b, a) => `height a ${digits(a, 1)}, shift b ${digits(b)}`, step: [0.05, 0.1] });
    plot.svg.addEventListener("click", (event) => {
      const [b, a] = plot.place(event);
      move([a, b]);
    });
    plot.redraw = () => {
      if (plot.picture) plot.showPicture();
      else plot.bands(waves[i].map, data.shape, data.levels, data.colours);
      const [a, b] = waves[i].star;
      waves[i].numbers = numbersOn(plot, waves[i].map, data.shape, data.levels, [b, a]);
      draw();
    };
    drawings[i].redraw = draw;
  });
  stage.prepend(
    el("p", { class: "mf-how" }, "Drag θ, the start, on either map (or Tab to it, then arrow keys): it is one start for both waves. From it, one step on each wave’s support points leads to the white dot; the star is the wave itself. Dark is low support loss; a number stands where a band begins."),
    summary,
    el("div", { class: "mf-pair" }, ...waves.map((_, i) => el("div", { class: "mf-panel" }, maps[i].node, drawings[i].node))),
    el("ul", { class: "mf-key" }, ...[["the wave, and its support points", "mf-ink mf-thin"], ["curve of θ, before the step", "mf-blue mf-dashed"], ["after the step", "mf-vermilion"]].map((line) => key(...line).node)),
    el("div", { class: "mf-row" }, ...jumps));
  draw();
}
