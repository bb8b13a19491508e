// Chapter 8: a network adapts to a task of letters, step by step; what it answers to each query.
import { announcer, button, choice, digits, el, mean, numbers, range, slider, sprite } from "./kit.js";

export function build(stage, data) {
  const say = announcer(stage);
  const card = sprite(data.images);
  const [nWay, nSteps] = [data.nWay, data.nSteps];
  const answers = Object.fromEntries(data.learners.map(({ name, answers: packed }) => [name, numbers(packed)]));
  const state = { task: 0, steps: 0, learner: data.learners[0].name };
  const place = (what) => el("div", { class: `mf-cards ${what}` });
  const support = place("mf-support");
  const rows = el("div", { class: "mf-queries" });
  const summary = el("p", { class: "mf-sum" });
  const total = el("p");
  const which = el("strong");

  /** Probabilities of the classes, for one query image. */
  const probabilities = (query, task = state.task) => {
    const at = ((task * (nSteps + 1) + state.steps) * nWay + query) * nWay;
    return answers[state.learner].subarray(at, at + nWay);
  };
  const best = (p) => p.indexOf(Math.max(...p));

  let bars = [];
  function deal() {
    const first = state.task * 2 * nWay;
    which.textContent = `task ${state.task + 1} of ${data.nTasks}`;
    support.replaceChildren(...range(nWay).map((k) =>
      el("figure", {}, card(first + k, `card ${k}: ${data.traits[first + k]}`), el("figcaption", {}, k))));
    bars = [];
    rows.replaceChildren(...range(nWay).map((q) => {
      const meters = range(nWay).map((k) => {
        const bar = el("span", { class: `mf-bar ${k === q ? "mf-right" : ""}` });
        const number = el("span", { class: "mf-percent" });
        bars.push({ q, k, bar, number });
        return el("span", { class: "mf-column" }, el("span", { class: "mf-track" }, number, bar), el("span", {}, k));
      });
      const verdict = el("span", { class: "mf-verdict" });
      bars[bars.length - 1].verdict = verdict;
      return el("div", { class: "mf-query" }, card(first + nWay + q, `query ${q}: ${data.traits[first + nWay + q]}`), el("div", { class: "mf-bars", "aria-hidden": "true" }, ...meters), verdict);
    }));
    draw();
  }
  function draw() {
    for (const { q, k, bar, number, verdict } of bars) {
      const p = probabilities(q);
      bar.style.height = `${72 * p[k]}%`;
      number.textContent = p[k] > 0.02 ? Math.round(100 * p[k]) : "";
      if (verdict) {
        const taken = best(p);
        verdict.textContent = `${taken === q ? "✓" : "✗"} says ${taken}, with ${Math.round(100 * p[taken])} %`;
        verdict.classList.toggle("mf-wrong", taken !== q);
      }
    }
    const rightOf = (task) => range(nWay).filter((q) => best(probabilities(q, task)) === q).length;
    const right = rightOf(state.task);
    const loss = mean(range(nWay).map((q) => -Math.log(Math.max(probabilities(q)[q], 1e-12))));
    const { cards } = data.learners.find(({ name }) => name === state.learner);
    const onCards = cards[state.task][state.steps];
    const all = range(data.nTasks).reduce((sum, task) => sum + rightOf(task), 0);
    const after = `${state.learner}, after ${state.steps} step${state.steps === 1 ? "" : "s"}`;
    summary.textContent = `${after}: ${right} of ${nWay} queries right, ${onCards} of ${nWay} cards`;
    total.textContent = `Query loss ${digits(loss)} (knowing nothing: ${digits(Math.log(nWay))}). All ${data.nTasks} tasks: ${all} of ${nWay * data.nTasks} queries right; a guesser: ${data.nTasks}.`;
    say(summary.textContent);
  }
  const steps = slider({ label: "inner steps", min: 0, max: nSteps, step: 1, value: 0, change: (v) => ((state.steps = v), draw()) });
  const go = (by) => {
    state.task = (state.task + by + data.nTasks) % data.nTasks;
    deal();
  };
  stage.prepend(
    el("p", { class: "mf-how" }, "The five cards in the middle carry the numbers of this task. Below, beside each query letter, stands the network’s answer: a probability in % for each number; the bar of the right one is orange."),
    el("div", { class: "mf-row" }, button("‹", () => go(-1), { "aria-label": "task before" }), which, button("›", () => go(1), { "aria-label": "next task" }),
      choice({ label: "start", options: data.learners.map(({ name }) => [name, name]), value: state.learner, change: (v) => ((state.learner = v), draw()) })),
    el("div", { class: "mf-controls" }, steps.node),
    el("div", { "aria-live": "off" }, summary, total), support, rows);
  deal();
}
