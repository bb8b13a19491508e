// Chapter 1: which of these cards shows the same animal, the same letter? The reader's score is kept
// in the browser: that of the letters by their number of cards, that of the animals on its own.
import { announcer, button, choice, el, range, score, sprite, svg, wilson } from "./kit.js";

export function build(stage, data) {
  const say = announcer(stage);
  const decks = Object.keys(data.decks); // the animals, where there are any, come first
  const pictures = Object.fromEntries(decks.map((name) => [name, sprite(data.decks[name].images)]));
  let round = null;
  let answered = false;
  const kept = score.read();
  kept.met ??= { letters: kept[5]?.rounds ?? 0 }; // how many of the first rounds are known
  let deck = decks.includes(kept.deck) ? kept.deck : decks[0];
  const letters = () => deck === "letters";
  const ways = () => (letters() ? kept.ways ?? 5 : 5);
  const place = () => (letters() ? ways() : deck);
  const count = el("p", { class: "mf-note" });
  const asked = el("div", { class: "mf-asked" });
  const table = el("div", { class: "mf-table-of-cards", role: "group", "aria-label": "cards" });
  const verdict = el("p", { class: "mf-sum" });
  const line = el("p", { class: "mf-score" });
  const bar = el("div", { class: "mf-interval" });
  const how = el("p", { class: "mf-how" });
  const forget = button("Forget my score", clear);
  const next = button("Next round", () => deal(true), { disabled: true });
  const cards = choice({ label: "cards", options: [[5, "5"], [20, "20"]], value: kept.ways ?? 5, change: (n) => turn(() => (kept.ways = n)) });
  const what = choice({ label: "play with", options: decks.map((d) => [d, d === "letters" ? "letters (harder)" : d]), value: deck, change: (d) => turn(() => (kept.deck = deck = d)) });
  stage.tabIndex = -1; // a click on the figure is enough for the number keys

  function deal(focus) {
    answered = false;
    next.disabled = true;
    const { classes, opening, traits, names } = data.decks[deck];
    const picture = pictures[deck];
    // The first rounds are the same for everyone; who has met them gets others, always.
    const met = kept.met[deck] ?? 0;
    const first = ways() === 5 && opening[met];
    round = first || dealt(classes, ways());
    round.met = first ? met + 1 : met;
    const name = (i) => names?.[classes.findIndex((c) => c.includes(i))];
    round.names = round.cards.map(name);
    count.textContent = first ? `Round ${met + 1} of the first ${opening.length}, which are the same for everyone.` : `Round ${(kept[place()]?.rounds ?? 0) + 1}.`;
    const words = (start, image) => [start, traits[image]].filter(Boolean).join(": ");
    const query = picture(round.query, words(letters() ? "the letter asked for" : "the animal behind the glass", round.query));
    if (!letters()) Object.assign(query.style, { borderRadius: "1.4rem 1.4rem 0.3rem 0.3rem", border: "5px double currentColor" });
    asked.replaceChildren(el("span", {}, letters() ? "Which card is this letter?" : "Who is behind the glass?"), query);
    table.className = `mf-table-of-cards mf-of-${ways()}`;
    table.replaceChildren(...round.cards.map((image, i) => {
      const called = round.names[i] ?? "";
      const pick = button("", () => choose(i), { class: "mf-card", "aria-label": words(`card ${i} ${called}`.trim(), image) });
      const caption = el("span", { "aria-hidden": "true" }, `${i}`);
      if (called) caption.append(el("br"), el("b", {}, called));
      caption.style.fontSize = called ? "0.85rem" : "";
      pick.append(picture(image, ""), caption);
      return pick;
    }));
    verdict.textContent = "\u00a0";
    if (focus) table.firstElementChild.focus({ preventScroll: true });
    say(`${count.textContent} ${asked.textContent} ${letters() ? traits[round.query] : query.ariaLabel}`);
  }
  function choose(i) {
    if (answered) return;
    answered = true;
    const right = i === round.answer;
    const mine = (kept[place()] ??= { right: 0, rounds: 0 });
    mine.rounds++;
    mine.right += Number(right);
    kept.met[deck] = round.met;
    score.write(kept);
    [...table.children].forEach((pick, k) => {
      pick.classList.toggle("mf-truth", k === round.answer);
      pick.classList.toggle("mf-miss", k === i && !right);
      pick.setAttribute("aria-disabled", "true");
    });
    const truth = [`card ${round.answer}`, round.names[round.answer]].filter(Boolean).join(", ");
    verdict.textContent = right ? "✓ Right." : `✗ It was ${truth}.`;
    next.disabled = false;
    next.focus({ preventScroll: true });
    show();
    say(`${verdict.textContent} ${line.textContent}`);
    document.dispatchEvent(new Event("maml-score"));
  }
  function show() {
    const mine = kept[place()];
    const dealtWith = letters() ? `${ways()} cards` : deck;
    forget.disabled = !mine;
    const keys = ways() > 10 ? "" : " With the keyboard: click or Tab into the figure, then press a card's number.";
    how.textContent = `Click or tap a card.${keys} Enter goes on to the next round.`;
    bar.replaceChildren(interval(mine, 1 / ways()));
    if (!mine) line.textContent = `No round with ${dealtWith} yet.`;
    else {
      const [low, high] = wilson(mine.right, mine.rounds).map((v) => Math.round(100 * v));
      line.textContent = `You, with ${dealtWith}: ${mine.right} of ${mine.rounds} right. 95 % interval: ${low} to ${high} %.`;
    }
  }
  stage.addEventListener("keydown", (event) => {
    if (event.target.type === "radio" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (ways() <= 10 && /^[0-9]$/.test(event.key) && Number(event.key) < ways()) choose(Number(event.key));
  });
  function clear() {
    delete kept[place()];
    score.write(kept);
    show();
    deal(true);
    document.dispatchEvent(new Event("maml-score"));
  }
  function turn(change) {
    change();
    score.write(kept);
    start();
  }
  function start() {
    cards.style.display = letters() ? "" : "none";
    show();
    deal();
  }
  const choices = decks.length > 1 ? [what, cards] : [cards];
  stage.prepend(count, asked, table, verdict, el("div", { class: "mf-row" }, next, ...choices), line, bar, how, el("div", { class: "mf-row" }, forget));
  start();
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
