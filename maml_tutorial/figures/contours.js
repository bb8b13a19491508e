// Numbers on a map's bands: a row of them, from its lowest place outwards, each where a band begins.
import { clamp, digits } from "./kit.js";

const APART = 30; // pixels from one number to the next
const ROOM = 13; // and from the middle of a number to the edge of the plot

/** Where the numbers go: [{ x, y, words }] in pixels, along the ray from (b, a) that has most. */
export function numbersOn(plot, values, [rows, columns], levels, [b, a]) {
  if (!plot.width) return [];
  const from = [plot.X(b), plot.Y(a)];
  const at = (x, y) => {
    const u = clamp((x - plot.left) / (plot.right - plot.left), 0, 1) * (columns - 1);
    const v = clamp((plot.bottom - y) / (plot.bottom - plot.top), 0, 1) * (rows - 1);
    const [c, r] = [Math.min(columns - 2, Math.floor(u)), Math.min(rows - 2, Math.floor(v))];
    const i = r * columns + c;
    const low = values[i] + (u - c) * (values[i + 1] - values[i]);
    const high = values[i + columns] + (u - c) * (values[i + columns + 1] - values[i + columns]);
    return low + (v - r) * (high - low);
  };
  let best = [];
  for (let k = 0; k < 48; k++) {
    const [dx, dy] = [Math.cos((k * Math.PI) / 24), Math.sin((k * Math.PI) / 24)];
    const found = [];
    for (let d = 1, before = at(...from); ; d++) {
      const [x, y] = [from[0] + d * dx, from[1] + d * dy];
      if (x < plot.left + ROOM || x > plot.right - ROOM || y < plot.top + ROOM || y > plot.bottom - ROOM) break;
      const now = at(x, y);
      const level = levels.find((value) => before < value && value <= now);
      before = now;
      const [last, words] = [found[found.length - 1], level && digits(level, level < 1 ? 2 : 1)];
      if (level && d > APART && !(last && (Math.hypot(x - last.x, y - last.y) < APART || words === last.words))) found.push({ x, y, words });
    }
    if (found.length > best.length) best = found;
  }
  return best;
}

/** Write them, but none where the hand or another mark is: `busy` is [[b, a], …]. */
export function writeNumbers(plot, numbers, busy) {
  const free = ({ x, y }) => busy.every(([b, a]) => Math.abs(plot.X(b) - x) > 30 || Math.abs(plot.Y(a) - y) > 32);
  for (const { x, y, words } of numbers.filter(free)) {
    const node = plot.label(x, y + 4, words, "middle", "mf-level");
    node.style.fontSize = "11px";
    plot.words.append(node);
  }
}
