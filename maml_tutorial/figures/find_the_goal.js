// Chapter 13: the reader hides a goal; policies walk, adapt in the page, and walk again.
import { announcer, button, choice, clamp, digits, el, key, mean, numbers, range, slider } from "./kit.js";
import { Plot, handle } from "./plot.js";
import { normals, unpackPolicy, updated, walks } from "./policy.js";

const EDGE = 0.75;
const NEAR = [0.12, -0.16];
const FAR = [-0.4, 0.44];
const SECONDS = 1.2; // that a replay of the walks takes

export function build(stage, data) {
  const { world, nWalks, nUpdates } = data;
  const say = announcer(stage);
  const opening = () => ({ goal: [...data.goal], updates: 1, seed: 1 });
  const state = opening();
  const learners = data.learners.map((learner) => ({
    ...learner, rounds: [], policies: [unpackPolicy(numbers(learner.weights), learner.sizes)] }));
  const counted = (n) => `${n} update${n === 1 ? "" : "s"}`;
  const when = () => (state.updates ? `after ${counted(state.updates)}` : "before an update");

  /** What is missing up to the number of updates that is shown: walks, and the step that they lead to. */
  function walk() {
    for (const { rounds, policies, innerLr } of learners)
      for (let u = rounds.length; u <= state.updates; u++) {
        if (u) policies[u] = updated(policies[u - 1], rounds[u - 1].walked, innerLr[u - 1], world.gamma);
        const noise = normals(1000 * state.seed + u, 2 * nWalks * world.horizon);
        rounds[u] = summed(walks(policies[u], state.goal, noise, world));
      }
  }
  /** Walks, with their way on average: a walk that is over stays where it arrived. */
  function summed(walked) {
    const at = ({ states, end }, t) => states[t] ?? end;
    const way = range(world.horizon + 1).map((t) => [0, 1].map((d) => mean(walked.map((one) => at(one, t)[d]))));
    return { walked, way, returns: mean(walked.map(({ rewards }) => rewards.reduce((sum, r) => sum + r, 0))) };
  }
  const away = () => Math.hypot(...state.goal);
  /** How far a place lies in the goal's direction. */
  const along = (place) => (away() ? (place[0] * state.goal[0] + place[1] * state.goal[1]) / away() : Math.hypot(...place));

  const plots = learners.map((learner) => {
    const plot = new Plot({
      label: `Twenty walks of the ${learner.name} policy from the origin, and their mean. The goal can be moved.`,
      x: [-EDGE, EDGE], y: [-EDGE, EDGE], xLabel: "across", yLabel: "up", xTicks: [-0.5, 0, 0.5], yTicks: [-0.5, 0, 0.5],
      height: (width) => width + 6, live: true });
    plot.learner = learner;
    plot.redraw = () => draw();
    return plot;
  });

  let frame;
  /** Draw each walk up to so many steps. */
  function draw(until = world.horizon) {
    const [gx, gy] = state.goal;
    for (const plot of plots) {
      const { name, look, rounds } = plot.learner;
      const { walked, way } = rounds[state.updates];
      plot.title = `${name}, ${when()}`;
      if (plot.width) plot.frame();
      plot.clear();
      const line = (places, looks) => plot.line(places.map((p) => p[0]), places.map((p) => p[1]), looks);
      line([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5]], "mf-ink mf-hair mf-dotted");
      const colour = look.split(" ")[0];
      for (const { states, end } of walked) {
        line([...states, end].slice(0, until + 1), `${colour} mf-hair`);
        plot.dot(...(states[until] ?? end), colour, 2.5);
      }
      for (const path of plot.marks.children) path.style.opacity = 0.4; // twenty of them lie on each other
      line(way.slice(0, until + 1), "mf-ink");
      plot.dot(0, 0, "mf-ink", 3.5);
      plot.dot(...way[until], `${colour} mf-white`, 7);
      // Beside the way to it, and within the plot.
      const left = gx > 0.5;
      if (Math.abs(gy) > Math.abs(gx)) plot.text(gx, gy, "goal", { dx: left ? -13 : 13, dy: 5, anchor: left ? "end" : "start" });
      else plot.text(gx, gy, "goal", { dy: -15, anchor: gx > 0.6 ? "end" : gx < -0.6 ? "start" : "middle" });
      plot.handles.forEach((place) => place());
    }
  }
  function tell() {
    for (const { legend, rounds, cells } of learners) {
      const { walked, way } = rounds[state.updates];
      const arrived = walked.filter((one) => one.arrived).length;
      legend.number.textContent = `${digits(along(way[world.horizon]))} out, ${arrived} arrived`;
      cells.forEach((cell, u) => (cell.textContent = rounds[u] ? digits(rounds[u].returns, 1) : "?"));
    }
    line.textContent = `${when()[0].toUpperCase()}${when().slice(1)}, goal ${digits(away())} out. The walks end:`;
    standing.textContent = `Standing still would return ${digits(-world.horizon * away(), 1)}.`;
    const found = learners.map(({ name, legend, rounds }) => `${name} ${legend.number.textContent}, return ${digits(rounds[state.updates].returns, 1)}`);
    say(`${line.textContent} ${found.join("; ")}.`);
  }

  /** Show the walks from their first step on; at once where motion is unwelcome. */
  function replay() {
    cancelAnimationFrame(frame);
    tell();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return draw();
    const began = performance.now();
    const next = (now) => {
      const share = clamp((now - began) / (1000 * SECONDS), 0, 1);
      draw(Math.round(share * world.horizon));
      if (share < 1) frame = requestAnimationFrame(next);
    };
    next(began);
  }
  /** Another goal or other noise: nothing that was walked holds any longer. */
  function change(what, again = false) {
    cancelAnimationFrame(frame);
    Object.assign(state, what);
    for (const learner of learners) Object.assign(learner, { rounds: [], policies: [learner.policies[0]] });
    [across.set, up.set].forEach((set, d) => set(state.goal[d]));
    walk();
    if (again) return replay();
    tell();
    draw();
  }
  const hide = (...goal) => change({ goal: goal.map((v) => Math.round(100 * clamp(v, -0.7, 0.7)) / 100) });
  const sliderOf = (d, label) => slider({
    label, min: -0.7, max: 0.7, step: 0.02, value: state.goal[d], format: (v) => digits(v),
    change: (v) => hide(...state.goal.map((old, axis) => (axis === d ? v : old))) });
  const [across, up] = [sliderOf(0, "goal, across"), sliderOf(1, "goal, up")];
  const updates = choice({
    label: "updates:", options: range(nUpdates + 1).map((n) => [n, n]), value: state.updates,
    change: (n) => {
      state.updates = n;
      walk();
      replay();
    } });
  const reset = () => {
    updates.querySelectorAll("input")[1].checked = true;
    change(opening());
  };

  const [line, standing] = [el("p", { class: "mf-sum" }), el("p")];
  for (const learner of learners)
    Object.assign(learner, { legend: key(learner.name, learner.look.split(" ")[0]), cells: range(nUpdates + 1).map(() => el("td")) });
  const head = (scope, text) => el("th", { scope }, text);
  const rates = learners.map(({ name, innerLr }) => `${name} ${innerLr.join(", ")}`).join("; ");
  stage.prepend(
    el("p", { class: "mf-how" }, `Hide the goal: drag it, tap a plot, or use the arrow keys or the sliders. Neither policy sees it. Each walks ${nWalks} times, is paid minus its distance, takes a policy-gradient step in this page, and walks again.`),
    el("div", { class: "mf-row" }, updates, button("▶ Walk", replay)),
    el("div", { class: "mf-pair" }, ...plots.map(({ node }) => node)),
    line,
    el("ul", { class: "mf-key" }, ...learners.map(({ legend }) => legend.node)),
    el("div", { class: "mf-row" },
      button("Near goal", () => hide(...NEAR)),
      button("Far goal", () => hide(...FAR)),
      button("Other walks", () => change({ seed: state.seed + 1 }, true)),
      button("As at first", reset)),
    el("div", { class: "mf-controls" }, across.node, up.node),
    el("table", { class: "mf-table mf-ends" },
      el("thead", {}, el("tr", {}, ...["return after", ...learners.map(({ name }) => name)].map((text) => head("col", text)))),
      el("tbody", {}, ...range(nUpdates + 1).map((u) => el("tr", {}, head("row", counted(u)), ...learners.map(({ cells }) => cells[u]))))),
    standing,
    el("p", { class: "mf-how" }, `Thin: the ${nWalks} walks. Thick: the mean of them, with a large dot where it ends; “out” says how far that is in the goal’s direction. Dotted: where the goals of the training lay. Returns are means of the ${nWalks} walks; a question mark: not walked yet. Step sizes α: ${rates}.`));
  for (const plot of plots) {
    handle(plot, {
      label: "the goal", look: "mf-green", at: () => state.goal, move: hide, step: [0.02, 0.02],
      text: (x, y) => `${digits(x)} across, ${digits(y)} up` });
    plot.svg.addEventListener("click", (event) => hide(...plot.place(event)));
  }
  walk();
  tell();
  draw();
}
