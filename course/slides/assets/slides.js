// How the slides behave: sizes, and whose the keys are while a hand is on a figure that moves.
const within = (target) => target instanceof Element && target.closest(".maml-figure");

// A clicker sends PageDown and PageUp: they turn the slide wherever the focus is. Escape leaves a figure.
document.addEventListener("keydown", (event) => {
  if (!within(event.target)) return;
  if (["PageDown", "PageUp", "Escape"].includes(event.key)) {
    event.target.blur();
    if (event.key === "Escape") event.stopImmediatePropagation();
  }
}, true);

window.slidesConfig = {
  width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4,
  center: false, hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
  controlsTutorial: false, scrollActivationWidth: null, help: true,
  pdfMaxPagesPerSlide: 1, pdfSeparateFragments: false,
  keyboardCondition: () => !within(document.activeElement),
};

// Number and arrows stand where the slide has room: a moving figure has it below its controls.
const aside = () => {
  const moving = Reveal.getCurrentSlide()?.querySelector(".moving");
  document.documentElement.dataset.side = moving ? "right" : "left";
};

document.addEventListener("DOMContentLoaded", () => {
  Reveal.on("ready", aside);
  Reveal.on("slidechanged", aside);
  Reveal.addKeyBinding({ keyCode: 68, key: "D", description: "Light or dark" }, () => window.turnTheme());
});
