// What is wider than the screen: tables turn into cards on a phone, and a box that scrolls sideways
// says so. Where it is not code or a table, which the theme sees to, it also needs a tab stop and a
// name while it scrolls, and neither when it fits again.
(() => {
  const named = { "div.math": "formula", ".figure-svg": "figure", ".mf-still": "figure" };
  const scrolls = `pre, .cell_output > .output, .pst-scrollable-table-container, ${Object.keys(named)}`;
  const phone = matchMedia("(max-width: 600px)");
  const isCut = (box) => box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== "visible";

  /** A table too wide for its place: a smaller dress, or on a phone one card a row. */
  const dress = (box) => {
    box.classList.remove("book-tight", "book-cards");
    if (!isCut(box)) return;
    box.classList.add("book-tight");
    const heads = [...box.querySelectorAll("thead tr:last-child > *")].map((cell) => cell.innerText.trim());
    if (!isCut(box) || !phone.matches || !heads.length) return;
    for (const row of box.querySelectorAll("tbody tr")) {
      const said = [...row.children].filter((cell) => cell.innerText.trim() || cell.querySelector("img, svg"));
      [...row.children].forEach((cell, i) => {
        cell.dataset.label = said.length > 1 ? heads[i] ?? "" : ""; // a row of one cell is a heading
        cell.classList.toggle("book-blank", !said.includes(cell));
        if (!cell.querySelector(":scope > .book-said")) { // one box, whatever stands in the cell
          const words = document.createElement("div");
          words.className = "book-said";
          words.append(...cell.childNodes);
          cell.append(words);
        }
      });
    }
    const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell", "thead th": "columnheader", "tbody th": "rowheader" };
    for (const [name, role] of Object.entries(roles)) { // a block is no longer a table by itself
      for (const part of box.querySelectorAll(name)) part.setAttribute("role", role);
    }
    box.classList.add("book-cards");
  };

  /** The words at the lower right corner of a box, and its faded edge, until it is scrolled to its end. */
  const mark = (box, cut) => {
    const more = cut && box.scrollLeft + box.clientWidth < box.scrollWidth - 2;
    box.classList.toggle("book-cut", more);
    if (cut && !box.bookMark) {
      box.bookMark = document.createElement("span");
      box.bookMark.className = "book-more";
      box.bookMark.setAttribute("aria-hidden", "true");
      const frame = box.closest(".cell_input") ?? box.closest("div.highlight") ?? box;
      box.bookMark.style.setProperty("--book-below", box.matches("div.math") ? "0px" : getComputedStyle(frame).marginBottom);
      frame.after(box.bookMark);
      box.addEventListener("scroll", () => mark(box, isCut(box)), { passive: true });
    }
    if (box.bookMark) box.bookMark.hidden = !more;
  };

  const stop = (box, cut) => {
    const name = Object.entries(named).find(([selector]) => box.matches(selector))?.[1];
    if (!name) return;
    if (cut) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", `${name}, scrolls sideways`);
    } else if (box.tabIndex === 0) {
      for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
    }
  };

  let width;
  const look = (article, again) => {
    if (again || width !== article.clientWidth) {
      width = article.clientWidth;
      article.querySelectorAll(".pst-scrollable-table-container").forEach(dress);
    }
    const boxes = [...article.querySelectorAll(scrolls)].map((box) => [box, isCut(box)]);
    for (const [box, cut] of boxes) {
      mark(box, cut);
      stop(box, cut);
    }
  };

  addEventListener("load", () => {
    const article = document.querySelector("article");
    if (!article) return; // the search page
    new ResizeObserver(() => look(article, false)).observe(article);
    document.addEventListener("toggle", () => look(article, true), true); // a <details> that opens
  });
})();
