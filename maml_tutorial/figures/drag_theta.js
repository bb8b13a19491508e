// Chapter 4: one start, two waves, one step on each; the reader drags the start.
import { announcer, button, digits, el, mean, numbers } from "./kit.js";
import { Plot, handle } from "./plot.js";

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
  let theta = data.starts[0].theta;
  const waves = data.waves.map(({ name, wave: [a, b], map, levels }) => {
    const of = (x) => a * Math.sin(x - b);
    return { name, star: [a, b], map: numbers(map), levels, support: data.xSupport.map(of), query: data.xQuery.map(of), number: el("span", { class: "mf-number" }) };
  });
  const [aTop, bTop] = [data.aMax, data.bMax];
  const plots = waves.map((wave) => new Plot({
    label: `Loss surface of the ${wave.name}; the start θ can be moved. A star marks the wave itself.`,
    title: wave.name, x: [0, bTop], y: [0, aTop], xLabel: "shift b", yLabel: "height a",
    xTicks: [0, 1, 2, 3], yTicks: [0, 1, 2, 3, 4, 5], height: 320, live: true }));
  const total = el("strong");
  const jumps = Object.fromEntries(data.starts.map(({ name, theta: at }) => [name, button(name, () => move(at))]));

  function move(next) {
    theta = next;
    draw();
  }
  function draw() {
    const ends = [];
    waves.forEach((wave, i) => {
      const plot = plots[i];
      const phi = step(theta, data.xSupport, wave.support, data.innerLr);
      const [before, after] = [loss(theta, data.xQuery, wave.query), loss(phi, data.xQuery, wave.query)];
      ends.push([before, after]);
      plot.clear();
      plot.text(wave.star[1], wave.star[0], "★", { dy: 7, look: "mf-star" });
      for (const look of ["mf-halo", "mf-vermilion"]) plot.line([theta[1], phi[1]], [theta[0], phi[0]], look);
      plot.dot(phi[1], phi[0], "mf-end", 5);
      plot.text(theta[1], theta[0], "θ", { dy: -18, look: "mf-on-map" });
      wave.number.textContent = `${digits(before)} → ${digits(after)}`;
      plot.handles.forEach((place) => place());
    });
    const [before, after] = [0, 1].map((k) => mean(ends.map((pair) => pair[k])));
    for (const { name, theta: [a, b] } of data.starts) jumps[name].setAttribute("aria-pressed", a === theta[0] && b === theta[1]);
    total.textContent = `${digits(before)} before, ${digits(after)} after one step`;
    say(`Start a ${digits(theta[0], 1)}, b ${digits(theta[1])}. Mean query loss ${total.textContent}.`);
  }

  plots.forEach((plot, i) => {
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
      else plot.bands(waves[i].map, data.shape, waves[i].levels, data.colours);
      draw();
    };
  });
  stage.prepend(
    el("p", { class: "mf-how" }, "Drag θ, the start, on either map (or Tab to it, then arrow keys): it is one start for both waves. From it, one step on each wave’s support points leads to the white dot; the star is the wave itself. Dark is low support loss."),
    el("ul", { class: "mf-key" }, ...waves.map((w) => el("li", {}, el("span", {}, `${w.name}, query loss:`), w.number)), el("li", {}, el("span", {}, "mean:"), total)),
    el("div", { class: "mf-pair" }, ...plots.map((p) => p.node)),
    el("div", { class: "mf-row" }, ...Object.values(jumps)));
  draw();
}
