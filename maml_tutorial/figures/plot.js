// Axes, what is drawn on them, and points that a hand can move.
import { el, svg, fill, clamp, digits, unique } from "./kit.js";

/** A plot whose words keep their size at every width; draw in `redraw`, which it calls itself. */
export class Plot {
  constructor({ label, title = "", x, y, xLabel = "", yLabel = "", xTicks = [], yTicks = [], height = 260, live = false }) {
    Object.assign(this, { x, y, xTicks, yTicks, xLabel, yLabel, title, height, handles: [] });
    this.clip = unique();
    this.back = svg("g", { "aria-hidden": "true" });
    this.axes = svg("g", { "aria-hidden": "true", class: "mf-axes" });
    this.marks = svg("g", { "aria-hidden": "true", "clip-path": `url(#${this.clip})` });
    this.dots = svg("g", { "aria-hidden": "true" }); // above the clipped marks: whole, also on an axis
    this.words = svg("g", { "aria-hidden": "true", class: "mf-words" });
    this.front = svg("g");
    this.window = svg("rect");
    this.svg = svg("svg", { role: live ? "group" : "img", "aria-label": label, class: "mf-plot" },
      svg("clipPath", { id: this.clip }, this.window), this.back, this.axes, this.marks, this.dots, this.words, this.front);
    this.node = el("div", { class: "mf-panel" }, this.svg);
    this.redraw = () => {};
    new ResizeObserver(() => this.fit()).observe(this.node);
  }

  /** Fit the axes to the width at hand and draw again. */
  fit() {
    const width = Math.round(this.node.clientWidth);
    if (!width || width === this.width) return;
    this.width = width;
    this.frame();
    this.redraw();
    this.handles.forEach((place) => place());
  }

  frame() {
    const { width } = this;
    const height = typeof this.height === "function" ? this.height(width) : this.height;
    this.left = this.yLabel ? 52 : 30;
    this.right = width - 14;
    this.top = this.title ? 28 : 12;
    this.bottom = height - (this.xLabel ? 44 : 26);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const box = { x: this.left, y: this.top, width: this.right - this.left, height: this.bottom - this.top };
    fill(this.window, box, []);
    this.axes.replaceChildren(
      svg("path", { d: `M${this.left} ${this.top}V${this.bottom}H${this.right}` }),
      ...this.xTicks.map((t) => svg("path", { d: `M${this.X(t)} ${this.bottom}v5` })),
      ...this.yTicks.map((t) => svg("path", { d: `M${this.left} ${this.Y(t)}h-5` })),
      ...this.xTicks.map((t) => this.label(this.X(t), this.bottom + 18, digits(t, Number.isInteger(t) ? 0 : 1), "middle")),
      ...this.yTicks.map((t) => this.label(this.left - 8, this.Y(t) + 4, digits(t, Number.isInteger(t) ? 0 : 1), "end")),
      this.label((this.left + this.right) / 2, height - 6, this.xLabel, "middle"),
      this.label(this.left, 17, this.title, "start", "mf-title"),
      svg("text", { transform: `translate(13 ${(this.top + this.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, this.yLabel),
    );
  }

  label(x, y, text, anchor, look = "") {
    return svg("text", { x, y, "text-anchor": anchor, class: look }, text);
  }

  X(x) {
    return this.left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.right - this.left);
  }

  Y(y) {
    return this.bottom - ((y - this.y[0]) / (this.y[1] - this.y[0])) * (this.bottom - this.top);
  }

  /** Where on the axes the pointer is. */
  place(event) {
    const box = this.svg.getBoundingClientRect();
    const scale = this.width / box.width;
    const across = ((event.clientX - box.left) * scale - this.left) / (this.right - this.left);
    const up = (this.bottom - (event.clientY - box.top) * scale) / (this.bottom - this.top);
    const [x, y] = [this.x[0] + across * (this.x[1] - this.x[0]), this.y[0] + up * (this.y[1] - this.y[0])];
    return [clamp(x, ...this.x), clamp(y, ...this.y)];
  }

  clear() {
    for (const layer of [this.marks, this.dots, this.words]) layer.replaceChildren();
  }

  // Nothing can be drawn before the plot has a width: `fit` calls `redraw` when it has.
  // Nor a line through what is no number: a descent may have diverged.
  line(xs, ys, look) {
    if (!this.width || !ys.every(Number.isFinite)) return;
    const points = xs.map((x, i) => `${this.X(x).toFixed(1)} ${this.Y(clamp(ys[i], -1e6, 1e6)).toFixed(1)}`);
    this.marks.append(svg("path", { d: `M${points.join("L")}`, class: `mf-line ${look}` }));
  }

  /** A dot, if its middle lies between the axes. */
  dot(x, y, look, r = 5) {
    const inside = x >= this.x[0] && x <= this.x[1] && y >= this.y[0] && y <= this.y[1];
    if (!this.width || !inside) return;
    this.dots.append(svg("circle", { cx: this.X(x), cy: this.Y(y), r, class: `mf-dot ${look}` }));
  }

  /** An arrow from one place to another; none where it would be shorter than its head. */
  arrow(from, to, look) {
    if (!this.width) return;
    const [x1, y1, x2, y2] = [this.X(from[0]), this.Y(from[1]), this.X(to[0]), this.Y(to[1])];
    const length = Math.hypot(x2 - x1, y2 - y1);
    if (!(length > 2)) return;
    const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
    const size = Math.min(11, length);
    const [bx, by] = [x2 - ux * size, y2 - uy * size];
    const head = `M${x2} ${y2}L${bx - uy * size * 0.45} ${by + ux * size * 0.45}L${bx + uy * size * 0.45} ${by - ux * size * 0.45}Z`;
    this.marks.append(
      svg("path", { d: `M${x1} ${y1}L${bx} ${by}`, class: `mf-line ${look}` }),
      svg("path", { d: head, class: `mf-head ${look}` }));
  }

  text(x, y, words, { anchor = "middle", dx = 0, dy = 0, look = "" } = {}) {
    if (!this.width) return;
    const left = clamp(this.X(x) + dx, this.left, this.right);
    const above = this.Y(y) + dy;
    const foot = dy < 0 && above < this.top + 10 ? this.Y(y) - dy + 10 : above; // no room above it
    this.words.append(this.label(left, clamp(foot, this.top + 10, this.bottom - 4), words, anchor, look));
  }

  /** A grid of values (rows from low y to high y) in bands, dark where it is low. */
  bands(values, [rows, columns], levels, colours) {
    const [width, height] = [440, 440];
    const canvas = el("canvas", { width, height });
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    const shades = bandColours(levels, colours);
    for (let j = 0; j < height; j++) {
      const v = (1 - j / (height - 1)) * (rows - 1);
      const r = Math.min(rows - 2, Math.floor(v));
      for (let i = 0; i < width; i++) {
        const u = (i / (width - 1)) * (columns - 1);
        const c = Math.min(columns - 2, Math.floor(u));
        const at = r * columns + c;
        const low = values[at] + (u - c) * (values[at + 1] - values[at]);
        const high = values[at + columns] + (u - c) * (values[at + columns + 1] - values[at + columns]);
        const value = low + (v - r) * (high - low);
        let band = 0;
        while (band < levels.length - 1 && value >= levels[band + 1]) band++;
        picture.data.set(shades[band], 4 * (j * width + i));
      }
    }
    context.putImageData(picture, 0, 0);
    this.picture = canvas.toDataURL();
    this.showPicture();
  }

  showPicture() {
    if (!this.picture || !this.width) return;
    this.back.replaceChildren(svg("image", {
      href: this.picture, x: this.left, y: this.top, preserveAspectRatio: "none",
      width: this.right - this.left, height: this.bottom - this.top }));
  }
}

/** One colour a band, from a ramp of three; the last is for all above the highest level. */
function bandColours(levels, ramp) {
  const stops = ramp.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const span = levels[levels.length - 1] - levels[0];
  return levels.map((low, i) => {
    const middle = i + 1 < levels.length ? (low + levels[i + 1]) / 2 : levels[i];
    const t = ((middle - levels[0]) / span) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(t));
    return [...stops[k].map((c, n) => Math.round(c + (t - k) * (stops[k + 1][n] - c))), 255];
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

/** A point that is moved by mouse, finger or arrow keys (with Shift five times as far). */
export function handle(plot, { label, at, move, text, step = [0.1, 0.1], look = "", remove }) {
  const node = svg("g", {
    class: `mf-handle ${look}`, tabindex: 0, role: "slider", "aria-label": label,
    "aria-valuemin": plot.x[0], "aria-valuemax": plot.x[1] },
    svg("circle", { r: 22, class: "mf-hit" }), svg("circle", { r: 8, class: "mf-knob" }));
  const place = () => {
    if (!plot.width) return;
    const [x, y] = at();
    node.setAttribute("transform", `translate(${plot.X(x).toFixed(1)} ${plot.Y(y).toFixed(1)})`);
    node.setAttribute("aria-valuenow", x.toFixed(2));
    node.setAttribute("aria-valuetext", text(x, y));
  };
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    node.focus({ preventScroll: true });
    event.preventDefault();
    event.stopPropagation();
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) move(...plot.place(event));
  });
  node.addEventListener("click", (event) => event.stopPropagation()); // the plot's own click is another
  node.addEventListener("keydown", (event) => {
    if (remove && (event.key === "Delete" || event.key === "Backspace")) remove();
    else if (ARROWS[event.key]) {
      const far = event.shiftKey ? 5 : 1;
      const [x, y] = at();
      const [across, up] = ARROWS[event.key];
      move(clamp(x + across * far * step[0], ...plot.x), clamp(y + up * far * step[1], ...plot.y));
    } else return;
    event.preventDefault();
  });
  plot.front.append(node);
  plot.handles.push(place);
  place();
  const drop = () => {
    plot.handles.splice(plot.handles.indexOf(place), 1);
    node.remove();
  };
  return { node, place, drop };
}
