// Chapter 6: f(x) = θx, one support point, one query point, one step: both meta-gradients.
import { announcer, button, digits, el, key, range, slider } from "./kit.js";
import { Plot, handle } from "./plot.js";

/** All numbers of the hand example. */
export function meta({ theta, alpha, support: [xs, ys], query: [xq, yq] }) {
  const slope = 2 * xs * (theta * xs - ys);
  const phi = theta - alpha * slope;
  const curvature = 2 * xs * xs;
  const factor = 1 - alpha * curvature;
  const firstOrder = 2 * xq * (phi * xq - yq);
  return { slope, phi, curvature, factor, queryLoss: (phi * xq - yq) ** 2, firstOrder, exact: factor * firstOrder };
}

export function build(stage, data) {
  const say = announcer(stage);
  const opening = () => ({ theta: data.theta, alpha: data.alpha, support: [...data.support], query: [...data.query] });
  let state = opening();
  const points = new Plot({
    label: "The support point, the query point, and the model before and after the step. Both points can be moved.",
    title: "the model f(x) = θx", x: [0, 3], y: [-1, 4], xLabel: "x", yLabel: "y",
    xTicks: [0, 1, 2, 3], yTicks: [0, 2, 4], height: 320, live: true });
  const slopes = new Plot({
    label: "Query loss after the step, against θ, with both gradients as slopes at θ. θ can be moved.",
    title: "query loss after the step", x: [-1, 2], y: [-2, 6], xLabel: "θ, where the step starts", yLabel: "ℒ(φ(θ); Q)",
    xTicks: [-1, 0, 1, 2], yTicks: [0, 2, 4, 6], height: 320, live: true });
  const keys = [key("exact", "mf-vermilion"), key("first order", "mf-green mf-dash-dotted")];
  const line = el("p", { class: "mf-sum" });
  const rows = ["support gradient g", "end of the step φ = θ − αg", "first order: slope of the query loss at φ", "curvature of the support loss, H", "factor 1 − αH", "exact: factor × first order"]
    .map((name) => ({ name: el("th", { scope: "row" }, name), cell: el("td") }));

  function draw() {
    const now = meta(state);
    const ends = [points.x[0], points.x[1]];
    points.clear();
    points.line(ends, ends.map((x) => state.theta * x), "mf-grey mf-dotted");
    points.line(ends, ends.map((x) => now.phi * x), "mf-ink");
    const thetas = range(121).map((i) => -1 + i / 40);
    const landing = (theta) => meta({ ...state, theta }).queryLoss;
    // The axis follows the loss, so that curve, slopes and arrows stay in sight.
    const top = [6, 12, 30, 60, 120, 300, 600, 1200].find((t) => t > 1.1 * now.queryLoss) ?? 3000;
    slopes.y = [-top / 3, top];
    slopes.yTicks = [0, top / 3, (2 * top) / 3, top];
    if (slopes.width) slopes.frame();
    slopes.clear();
    slopes.line(thetas, thetas.map(landing), "mf-ink");
    const tangent = (slope) => [-0.6, 0.6].map((d) => [state.theta + d, now.queryLoss + d * slope]);
    slopes.line([-1, 2], [0, 0], "mf-ink mf-hair");
    for (const [slope, look, height, { number }] of [[now.firstOrder, "mf-green mf-dash-dotted", -top / 4, keys[1]], [now.exact, "mf-vermilion", -top / 7.5, keys[0]]]) {
      const [from, to] = tangent(slope);
      slopes.line([from[0], to[0]], [from[1], to[1]], look);
      // Where gradient descent would go: downhill, a tenth of the slope; maybe out of the plot.
      const next = state.theta - 0.1 * slope;
      const outside = next < slopes.x[0] || next > slopes.x[1];
      slopes.arrow([state.theta, height], [next, height], look.replace(" mf-dash-dotted", ""));
      number.textContent = `θ → ${digits(next)}${outside ? ", off the plot" : ""}`;
    }
    [now.slope, now.phi, now.firstOrder, now.curvature, now.factor, now.exact].forEach((v, i) => (rows[i].cell.textContent = digits(v)));
    line.textContent = `meta-gradient: exact ${digits(now.exact)}, first order ${digits(now.firstOrder)}`;
    say(line.textContent);
    for (const plot of [points, slopes]) plot.handles.forEach((place) => place());
  }
  const pointText = (x, y) => `x ${digits(x, 1)}, y ${digits(y, 1)}`;
  for (const name of ["support", "query"])
    handle(points, {
      label: `${name} point`, look: name === "support" ? "mf-ink" : "mf-open", at: () => state[name], text: pointText,
      move: (x, y) => ((state[name] = [x, y].map((v) => Math.round(10 * v) / 10)), draw()) });
  handle(slopes, {
    label: "θ, where the step starts", look: "mf-ink", at: () => [state.theta, meta(state).queryLoss],
    text: (x) => `θ ${digits(x)}`, move: (x) => ((state.theta = Math.round(20 * x) / 20), theta.set(state.theta), draw()), step: [0.05, 0] });
  const theta = slider({ label: "start θ", min: -1, max: 2, step: 0.05, value: state.theta, format: (v) => digits(v), change: (v) => ((state.theta = v), draw()) });
  const alpha = slider({ label: "step size α", min: 0, max: 1, step: 0.05, value: state.alpha, format: (v) => digits(v), change: (v) => ((state.alpha = v), draw()) });
  const reset = () => {
    state = opening();
    theta.set(state.theta);
    alpha.set(state.alpha);
    draw();
  };
  stage.prepend(
    el("p", { class: "mf-how" }, "Move θ, α and the two points (drag, or Tab and arrow keys). In the second plot the straight lines are the two slopes at θ; the arrows below and the numbers show where one step of gradient descent (β = 0.1) takes θ."),
    el("div", { class: "mf-panels" },
      el("div", {}, points.node, el("ul", { class: "mf-key" },
        ...["● support point", "○ query point"].map((words) => el("li", {}, words)),
        key("before the step", "mf-grey mf-dotted").node, key("after the step", "mf-ink").node)),
      el("div", {}, slopes.node, el("ul", { class: "mf-key" }, ...keys.map((k) => k.node)))),
    line,
    el("div", { class: "mf-controls" }, theta.node, alpha.node),
    el("div", { class: "mf-row" }, button("As in the text", reset)),
    el("table", { class: "mf-table" }, el("tbody", {}, ...rows.map((r) => el("tr", {}, r.name, r.cell)))));
  points.redraw = slopes.redraw = draw;
  draw();
}
