// A formula or figure that scrolls sideways must be reachable without a mouse: give it a tab stop
// and a name while it scrolls, and take both away when it fits again. (The theme does the same
// for code and tables.)
(() => {
  const names = { "div.math": "formula", ".figure-svg": "figure" };
  const mark = () => {
    for (const [selector, name] of Object.entries(names)) {
      for (const box of document.querySelectorAll(`article ${selector}`)) {
        if (box.scrollWidth > box.clientWidth + 1) {
          box.tabIndex = 0;
          box.setAttribute("role", "group");
          box.setAttribute("aria-label", `${name}, scrolls sideways`);
        } else if (box.tabIndex === 0) {
          for (const attribute of ["tabindex", "role", "aria-label"]) box.removeAttribute(attribute);
        }
      }
    }
  };
  addEventListener("load", () => {
    const article = document.querySelector("article");
    if (!article) return; // the search page
    new ResizeObserver(mark).observe(article);
    document.addEventListener("toggle", mark, true); // a <details> that opens
  });
})();
