// Chapter 1: which of these cards shows the same letter? The reader's score is kept in the browser.
import { announcer, button, choice, el, range, score, sprite, wilson } from "./kit.js";

export function build(stage, data) {
  const say = announcer(stage);
  const card = sprite(data.images);
  const opening = data.opening.map((round) => ({ ...round }));
  let ways = 5;
  let round = null;
  let answered = false;
  const kept = score.read();
  const asked = el("div", { class: "mf-asked" });
  const table = el("div", { class: "mf-table-of-cards", role: "group", "aria-label": "cards" });
  const verdict = el("p", { class: "mf-sum" });
  const line = el("p", { class: "mf-score" });
  const next = button("Next round", () => deal(true), { disabled: true });

  function deal(focus) {
    answered = false;
    next.disabled = true;
    round = ways === 5 && opening.length ? opening.shift() : random();
    asked.replaceChildren(el("span", {}, "Which card is this letter?"), card(round.query, `the letter asked for: ${data.traits[round.query]}`));
    table.style.setProperty("--mf-columns", ways === 5 ? 5 : "auto-fill");
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
  // As `EpisodeSampler` does: classes at random, then one drawing for the card and another to ask.
  function random() {
    const classes = shuffled(range(data.classes.length)).slice(0, ways);
    const drawings = classes.map((c) => shuffled([...data.classes[c]]));
    const answer = Math.floor(Math.random() * ways);
    return { cards: drawings.map((d) => d[0]), query: drawings[answer][1], answer };
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
    const chance = `A blind guesser: ${100 / ways} %.`;
    if (!mine) line.textContent = `No round played yet with ${ways} cards. ${chance}`;
    else {
      const [low, high] = wilson(mine.right, mine.rounds).map((v) => Math.round(100 * v));
      line.textContent = `You: ${mine.right} of ${mine.rounds} right, ${Math.round((100 * mine.right) / mine.rounds)} %. That fits every rate from ${low} to ${high} %. ${chance}`;
    }
  }
  stage.addEventListener("keydown", (event) => {
    if (event.target.type === "radio" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^[0-9]$/.test(event.key) && Number(event.key) < ways) choose(Number(event.key));
  });
  const forget = () => {
    for (const n of Object.keys(kept)) delete kept[n];
    score.write(kept);
    show();
    document.dispatchEvent(new Event("maml-score"));
  };
  stage.prepend(
    asked, table, verdict, el("div", { class: "mf-row" }, next,
      choice({ label: "cards", options: [[5, "5"], [20, "20"]], value: ways, change: (v) => ((ways = v), show(), deal()) }),
      button("Forget my score", forget)),
    line,
    el("p", { class: "mf-how" }, "Click or tap a card, or press its number. Your score stays in this browser; nobody else sees it."));
  show();
  deal();
}

function shuffled(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const k = Math.floor(Math.random() * (i + 1));
    [list[i], list[k]] = [list[k], list[i]];
  }
  return list;
}
