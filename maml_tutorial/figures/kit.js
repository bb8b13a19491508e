// What every figure that moves is made of: elements, sliders, buttons, cards, words for screen
// readers. No framework and no network; colours and type are in figures.css.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
export const range = (n) => Array.from({ length: n }, (_, i) => i);
export const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** A number as the book prints it: a real minus sign, a fixed number of digits. */
export const digits = (value, n = 2) => {
  const text = value.toFixed(n);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
};

/** Numbers packed by Python: base64 of little-endian float32, or of uint16 between two ends. */
export function numbers(packed) {
  const buffer = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  if (typeof packed === "string") return new Float32Array(buffer(packed));
  const share = (packed.high - packed.low) / 65535;
  return Float32Array.from(new Uint16Array(buffer(packed.u16)), (v) => packed.low + share * v);
}

let names = 0;
const session = Math.random().toString(36).slice(2, 8);
/** An id that no other figure on the page has. */
export const unique = () => `mf-${session}-${++names}`;

/** Says a sentence to screen readers, once the reader's hand rests. */
export function announcer(stage) {
  const region = stage.appendChild(el("p", { class: "mf-hidden", role: "status" }));
  let waiting;
  return (text) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (region.textContent = text), 500);
  };
}

/** A labelled range input; `change(value)` is called as it moves. */
export function slider({ label, min, max, step, value, format = String, change }) {
  const id = unique();
  const output = el("output", { for: id });
  const input = el("input", { type: "range", id, min, max, step, value });
  const show = () => {
    output.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => (show(), change(Number(input.value))));
  show();
  const node = el("div", { class: "mf-slider" }, el("label", { for: id }, label), input, output);
  const set = (next) => ((input.value = next), show());
  return { node, input, set };
}

export const button = (text, click, attributes = {}) =>
  el("button", { type: "button", ...attributes, onclick: click }, text);

/** A button that moves a slider step by step; at once to the end where motion is unwelcome. */
export function player(steps, last, draw) {
  let timer;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    node.textContent = "▶ Play";
  };
  const to = (value) => (steps.set(value), draw(value));
  const node = button("▶ Play", () => {
    if (timer) return stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return to(last);
    let at = Number(steps.input.value) < last ? Number(steps.input.value) : -1;
    node.textContent = "❚❚ Pause";
    timer = setInterval(() => (to(++at), at >= last && stop()), 350);
  });
  return { node, stop };
}

/** A choice of one among few, as radio buttons; `options` is [[value, text], …]. */
export function choice({ label, options, value, change }) {
  const name = unique();
  const inputs = options.map(([option, text]) =>
    el("label", {},
      el("input", { type: "radio", name, checked: option === value, onchange: () => change(option) }),
      ` ${text}`));
  return el("fieldset", { class: "mf-choice" }, el("legend", {}, label), ...inputs);
}

/** A line of the legend: a sample of the stroke, a name, and a place for a number. */
export function key(name, look) {
  const number = el("span", { class: "mf-number" });
  const sample = svg("svg", { width: 34, height: 12, "aria-hidden": "true" },
    svg("path", { d: "M1 6H33", class: `mf-line ${look}` }));
  return { node: el("li", {}, sample, el("span", {}, name), number), number };
}

/** Wilson's 95 % interval for `right` of `rounds`. */
export function wilson(right, rounds) {
  const z2 = 1.96 ** 2;
  const centre = (right + z2 / 2) / (rounds + z2);
  const half = (1.96 * Math.sqrt((right * (rounds - right)) / rounds + z2 / 4)) / (rounds + z2);
  return [centre - half, centre + half];
}

const STORE = "maml-tutorial/one-shot-game";
/** The reader's rounds, {ways: {right, rounds}}; kept in this browser alone, where it lets us. */
export const score = {
  read() {
    try {
      return JSON.parse(localStorage.getItem(STORE)) ?? {};
    } catch {
      return {};
    }
  },
  write(value) {
    try {
      localStorage.setItem(STORE, JSON.stringify(value));
    } catch {
      // A private window, or a notebook's sandbox: the score lasts as long as the page.
    }
  },
};

/** Cards from one picture that holds them all, side by side in rows: card(number, words). */
export function sprite({ picture, size, columns, count }) {
  const rows = Math.ceil(count / columns);
  return (number, words) => {
    const [column, row] = [number % columns, Math.floor(number / columns)];
    const node = el("span", words ? { class: "mf-image", role: "img", "aria-label": words } : { class: "mf-image", "aria-hidden": "true" });
    node.style.setProperty("--mf-size", `${size}`);
    node.style.backgroundImage = `url(${picture})`;
    node.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    const share = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0);
    node.style.backgroundPosition = `${share(column, columns)}% ${share(row, rows)}%`;
    return node;
  };
}
