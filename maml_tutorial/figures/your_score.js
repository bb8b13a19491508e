// Chapters 2 and 8: the reader's own score from the game of chapter 1, as a star in a plot.
import { announcer, clamp, el, score, svg, wilson } from "./kit.js";

export function build(stage, data, still) {
  const say = announcer(stage);
  const picture = still.querySelector("svg");
  const layer = picture.appendChild(svg("g", { class: "mf-you" }));
  const words = el("p", { class: "mf-note" });
  stage.prepend(still, words);

  // The score of 0 and of 100 % stand at data.zero and data.hundred, in the picture's own units.
  const at = (rate) => [0, 1].map((i) => data.zero[i] + rate * (data.hundred[i] - data.zero[i]));
  function draw() {
    const mine = score.read()[data.ways];
    layer.replaceChildren();
    if (!mine) {
      const link = data.game ? el("a", { href: data.game }, "play first") : "play first";
      words.replaceChildren("Your own score is missing here: ", link, `, in chapter 1 (letters, ${data.ways} cards). It is kept in your browser, and comes back in this plot as a star.`);
      return;
    }
    const rate = mine.right / mine.rounds;
    const [low, high] = wilson(mine.right, mine.rounds);
    const inside = (r) => clamp(r, ...data.limits);
    const [[x, y], [x1, y1], [x2, y2]] = [rate, low, high].map((r) => at(inside(r)));
    layer.append(
      svg("path", { d: `M${x1} ${y1}L${x2} ${y2}`, class: "mf-line mf-ink mf-thin" }),
      svg("text", { x, y: y + 6, "text-anchor": "middle", class: "mf-star-you" }, "★"),
      svg("text", { x: x + 10, y: y - 8, class: "mf-you-word" }, "you"));
    words.textContent = `★ You: ${mine.right} of ${mine.rounds} right with ${data.ways} cards, ${Math.round(100 * rate)} %. The line through the star is its 95 % interval, ${Math.round(100 * low)} to ${Math.round(100 * high)} %.`;
    say(words.textContent);
  }
  document.addEventListener("maml-score", draw);
  addEventListener("storage", draw);
  draw();
}
