// What can be measured of one slide, as a projector shows it. Each function returns findings, one
// line each. slide_checks.py runs them.
(() => {
  const LEAST = 20; // pixels: the smallest word; an index or an exponent may have seven tenths of it
  const EDGE = { right: 1280, bottom: 712 };
  const words = (text) => text.trim().replace(/\s+/g, " ").slice(0, 40);
  const name = (e) => `${e.tagName.toLowerCase()}${[...e.classList].map((c) => `.${c}`).join("")}`;
  const hidden = (e) => !e.checkVisibility() || e.closest("aside, title, script, style, .mf-hidden, option");

  function* texts(slide) {
    const walker = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const [node, e] = [walker.currentNode, walker.currentNode.parentElement];
      if (!node.data.trim() || hidden(e)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const box = range.getBoundingClientRect();
      const drawing = e.closest("svg");
      const frame = drawing?.getBoundingClientRect();
      const clips = drawing && getComputedStyle(drawing).overflow !== "visible";
      // The words of another piece of the same drawing: outside, and so not seen.
      if (clips && (box.bottom <= frame.top + 1 || box.top >= frame.bottom - 1)) continue;
      if (box.width) yield { e, box, frame: clips ? frame : null, text: words(node.data), length: node.data.trim().split(/\s+/).length };
    }
  }

  const size = (e) => {
    const matrix = e.getScreenCTM?.();
    const scale = matrix ? Math.hypot(matrix.b, matrix.d) : (e.currentCSSZoom ?? 1);
    return parseFloat(getComputedStyle(e).fontSize) * scale;
  };
  // An index or an exponent: smaller than the words it stands among.
  const raised = (e) => {
    const among = e.closest("svg text, math, sub, sup");
    if (!among) return false;
    const sizes = [...among.querySelectorAll("*")].map((part) => parseFloat(getComputedStyle(part).fontSize));
    return parseFloat(getComputedStyle(e).fontSize) < 0.8 * Math.max(...sizes);
  };

  const check = () => {
    const slide = Reveal.getCurrentSlide();
    const found = [];
    for (const { e, box, frame, text } of texts(slide)) {
      const least = raised(e) ? 0.7 * LEAST : LEAST;
      if (size(e) < least - 0.1) found.push(`a word of ${size(e).toFixed(1)} px: ${text}`);
      if (box.left < 0 || box.top < 0 || box.right > EDGE.right + 1 || box.bottom > EDGE.bottom + 1)
        found.push(`off the slide: ${text}`);
      if (frame && (box.left < frame.left - 2 || box.right > frame.right + 2 || box.top < frame.top - 5 || box.bottom > frame.bottom + 3))
        found.push(`the edge of a drawing cuts ${text}`);
    }
    const body = slide.querySelector(".body");
    if (body && body.scrollHeight > body.clientHeight + 1) found.push(`too much: ${body.scrollHeight} px in ${body.clientHeight}`);
    for (const e of slide.querySelectorAll("*")) {
      if (hidden(e) || e.closest("svg, math")) continue;
      const box = e.getBoundingClientRect();
      if (box.width && !e.matches(".body") && (box.right > EDGE.right + 1 || box.bottom > 721)) found.push(`beyond the edge: ${name(e)}`);
      const clipped = getComputedStyle(e).overflow !== "visible" && e.scrollHeight > e.clientHeight + 1;
      const wide = e.matches("pre, table, .box, .words, .maml-figure *") && e.scrollWidth > e.clientWidth + 1;
      if (!e.matches("input") && (clipped || wide) && getComputedStyle(e).clipPath === "none" && e.clientWidth) found.push(`cut: ${name(e)}: ${words(e.textContent)}`);
    }
    const picture = slide.querySelector(".beside > .picture")?.getBoundingClientRect();
    if (picture) for (const e of slide.querySelectorAll("h2, .words *"))
      if (!e.closest("svg") && e.getBoundingClientRect().right > picture.left) found.push(`behind the picture: ${words(e.textContent)}`);
    const own = [...texts(slide)].filter(({ e }) => !e.closest(".picture, pre, table, .decks"));
    const count = own.reduce((sum, { e, length }) => sum + (e.closest("math") ? 0 : length), 0);
    if (count > 70) found.push(`${count} words`);
    const notes = [...slide.querySelectorAll("aside.notes")];
    if (notes.length !== 1 || !(Number(notes[0].dataset.minutes) >= 0)) found.push("no notes with minutes");
    else if (notes[0].textContent.trim().split(/\s+/).length < 6) found.push("notes of no use");
    const at = `slide ${Reveal.getSlidePastCount() + 1}`;
    return [...new Set(found)].map((line) => `${at}: ${line}`);
  };

  /** Walk through the deck. */
  const walk = async () => {
    const found = [];
    for (let n = 0; n < Reveal.getTotalSlides(); n++) {
      Reveal.slide(n, 0);
      // A moving figure draws when it is shown: two frames later.
      if (Reveal.getCurrentSlide().querySelector(".moving"))
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      found.push(...check());
    }
    return found;
  };

  /** Take out what is drawn, whose words and lines have been looked at: axe-core needs long for it. */
  const bare = () => document.querySelectorAll(".picture:not(.moving) svg > :not(title)").forEach((e) => e.remove());

  /** Show all slides at once, one below the other, for checks of the whole deck. */
  const spread = () => {
    for (const slide of document.querySelectorAll(".slides section")) {
      slide.hidden = false;
      slide.removeAttribute("aria-hidden");
      slide.style.cssText = "display: block !important; position: static; visibility: visible; opacity: 1; transform: none";
    }
    const open = "position: static; transform: none; zoom: 1; width: 1280px; height: auto; max-height: none; overflow: visible; perspective: none";
    for (const box of ["html", "body", ".reveal", ".slides"]) document.querySelector(box).style.cssText += `; ${open}`;
    document.querySelector(".backgrounds").remove();
    for (const overlay of document.querySelectorAll(".progress, .pause-overlay, .speaker-notes")) overlay.remove();
  };

  window.slideChecks = { walk, spread, bare };
})();
