// Light or dark, before anything is painted: as the system says, until a key says otherwise.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const show = () => {
    const paper = new URLSearchParams(location.search).has("print-pdf");
    document.documentElement.dataset.theme = paper ? "light" : (chosen ?? (dark.matches ? "dark" : "light"));
  };
  dark.addEventListener("change", show);
  window.turnTheme = () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    show();
  };
  show();
})();
