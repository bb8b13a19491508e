// Chapter 1: which of these cards shows the same letter? The reader's score is kept in the browser.
import { announcer, button, choice, el, range, score, sprite, svg, wilson } from "./kit.js";

export function build(stage, data) {
  const say = announcer(stage);
  const card = sprite(data.images);
  let round = null;
  let answered = false;
  const kept = score.read();
  let ways = kept.ways ?? 5;
  const asked = el("div", { class: "mf-asked" });
  const table = el("div", { class: "mf-table-of-cards", role: "group", "aria-label": "cards" });
  const verdict = el("p", { class: "mf-sum" });
  const line = el("p", { class: "mf-score" });
  const bar = el("div", { class: "mf-interval" });
  const how = el("p", { class: "mf-how" });
  const forget = button("Forget my score", clear);
  const next = button("Next round", () => deal(true), { disabled: true });

  function deal(focus) {
    answered = false;
    next.disabled = true;
    // The first rounds are the same for everyone; who has played them meets others.
    round = (ways === 5 && data.opening[kept[5]?.rounds ?? 0]) || dealt(data.classes, ways);
    asked.replaceChildren(el("span", {}, "Which card is this letter?"), card(round.query, `the letter asked for: ${data.traits[round.query]}`));
    table.className = `mf-table-of-cards mf-of-${ways}`;
    table.replaceChildren(...round.cards.map((image, i) => {
      const pick = button("", () => choose(i), { class: "mf-card", "aria-label": `card ${i}: ${data.traits[image]}` });
      pick.append(card(image, ""), el("span", { "aria-hidden": "true" }, i));
      return pick;
    }));
    verdict.textContent = "\u00a0";
    if (focus) table.firstElementChild.focus();
    say("A new round. The letter asked for: " + data.traits[round.query]);
  }
  function choose(i) {
    if (answered) return;
    answered = true;
    const right = i === round.answer;
    const mine = (kept[ways] ??= { right: 0, rounds: 0 });
    mine.rounds++;
    mine.right += Number(right);
    score.write(kept);
    [...table.children].forEach((pick, k) => {
      pick.classList.toggle("mf-truth", k === round.answer);
      pick.classList.toggle("mf-miss", k === i && !right);
      pick.setAttribute("aria-disabled", "true");
    });
    verdict.textContent = right ? "✓ Right." : `✗ It was card ${round.answer}.`;
    next.disabled = false;
    next.focus({ preventScroll: true });
    show();
    say(`${verdict.textContent} ${line.textContent}`);
    document.dispatchEvent(new Event("maml-score"));
  }
  function show() {
    const mine = kept[ways];
    forget.disabled = !kept[5] && !kept[20];
    how.textContent = ways > 10 ? "Click or tap a card; Enter goes on to the next round." : "Click or tap a card, or press its number; Enter goes on to the next round.";
    bar.replaceChildren(interval(mine, 1 / ways));
    if (!mine) line.textContent = `No round with ${ways} cards yet.`;
    else {
      const [low, high] = wilson(mine.right, mine.rounds).map((v) => Math.round(100 * v));
      line.textContent = `You: ${mine.right} of ${mine.rounds} right. 95 % interval: ${low} to ${high} %.`;
    }
  }
  stage.addEventListener("keydown", (event) => {
    if (event.target.type === "radio" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (ways <= 10 && /^[0-9]$/.test(event.key) && Number(event.key) < ways) choose(Number(event.key));
  });
  function clear() {
    for (const n of [5, 20]) delete kept[n];
    score.write(kept);
    show();
    deal(true);
    document.dispatchEvent(new Event("maml-score"));
  }
  const turn = (value) => {
    ways = kept.ways = value;
    score.write(kept);
    show();
    deal();
  };
  stage.prepend(
    asked, table, verdict, el("div", { class: "mf-row" }, next,
      choice({ label: "cards", options: [[5, "5"], [20, "20"]], value: ways, change: turn })),
    line, bar, how, el("div", { class: "mf-row" }, forget));
  show();
  deal();
}

/** A score's interval between 0 and 100 %, with a dashed line where a guesser would be. */
function interval(mine, chance) {
  const at = (rate) => 2 + 96 * rate;
  const percent = (rate, text) => svg("text", { x: `${at(rate)}%`, y: 44, "text-anchor": rate === 0 ? "start" : rate === 1 ? "end" : "middle" }, text);
  const [low, high] = mine ? wilson(mine.right, mine.rounds) : [0, 0];
  const line = (from, to, y, look) => svg("line", { x1: `${at(from)}%`, x2: `${at(to)}%`, y1: y, y2: y, class: look });
  return svg("svg", { class: "mf-plot", height: 48, "aria-hidden": "true" },
    line(0, 1, 28, "mf-line mf-hair"),
    svg("line", { x1: `${at(chance)}%`, x2: `${at(chance)}%`, y1: 14, y2: 32, class: "mf-line mf-vermilion mf-dashed" }),
    svg("text", { x: `${at(chance)}%`, y: 10, "text-anchor": chance < 0.1 ? "start" : "middle" }, `a guesser: ${Math.round(100 * chance)} %`),
    ...(mine ? [line(low, high, 22, "mf-line mf-blue mf-thick"), svg("circle", { cx: `${at(mine.right / mine.rounds)}%`, cy: 22, r: 5, class: "mf-dot mf-blue mf-white" })] : []),
    percent(0, "0 %"), percent(0.5, "50 %"), percent(1, "100 %"));
}

/** A round as `EpisodeSampler` deals it: classes, one drawing of each, another of one to ask for. */
export function dealt(classes, ways) {
  const drawings = shuffled(range(classes.length)).slice(0, ways).map((c) => shuffled([...classes[c]]));
  const answer = Math.floor(Math.random() * ways);
  return { cards: drawings.map((d) => d[0]), query: drawings[answer][1], answer };
}

function shuffled(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const k = Math.floor(Math.random() * (i + 1));
    [list[i], list[k]] = [list[k], list[i]];
  }
  return list;
}
