// From where to where, as ribbons: what comes in on the left, what goes out on the right, as thick as how many.
import { svg } from "./dom.js";
import { t } from "./words.js";

const GAP = 14;
const BAR = 10;
const LEAST_PX = 2;
const TOP = 8;
const LABEL_SHARE = 0.27;

/** rows: [[from, to, count]], the largest first. Nothing is drawn for none. */
export function drawRibbons(node, rows) {
  node.toggleAttribute("hidden", rows.length === 0);
  if (!rows.length) return;
  const width = Math.max(280, node.clientWidth || 700);
  const [left, right] = [width * LABEL_SHARE, width * (1 - LABEL_SHARE)];
  const total = rows.reduce((sum, row) => sum + row[2], 0);
  const sides = [0, 1].map((side) => {
    const sums = new Map();
    for (const row of rows) sums.set(row[side], (sums.get(row[side]) || 0) + row[2]);
    return sums;
  });
  const most = Math.max(sides[0].size, sides[1].size);
  const height = Math.min(420, Math.max(110, most * 46));
  const unit = (height - 2 * TOP - (most - 1) * GAP) / total;
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const order = [...sides[0].keys()];
  const places = sides.map((sums) => {
    let at = TOP;
    return new Map([...sums].map(([name, count]) => {
      const place = { at, used: 0, high: Math.max(LEAST_PX, count * unit) };
      at += place.high + GAP;
      return [name, place];
    }));
  });
  const ribbons = rows.map(([from, to, count]) => {
    const high = Math.max(LEAST_PX, count * unit);
    const [one, other] = [places[0].get(from), places[1].get(to)];
    const [y1, y2] = [one.at + one.used + high / 2, other.at + other.used + high / 2];
    one.used += high;
    other.used += high;
    const [start, end, middle, half] = [left + BAR, right - BAR, (left + right) / 2, high / 2];
    return svg("path", { class: `ribbon series-${order.indexOf(from) % 8}`,
      d: `M${start},${y1 - half} C${middle},${y1 - half} ${middle},${y2 - half} ${end},${y2 - half} V${y2 + half} C${middle},${y2 + half} ${middle},${y1 + half} ${start},${y1 + half} Z` },
      svg("title", {}, t`${from} → ${to}: ${count}`));
  });
  const letters = Math.floor((left - 16) / 7);
  const cut = (name) => (name.length > letters ? `${name.slice(0, letters - 1)}…` : name);
  const ends = sides.flatMap((sums, side) => [...sums].map(([name, count]) => {
    const { at, high } = places[side].get(name);
    return svg("g", {}, svg("rect", { x: side ? right - BAR : left, y: at, width: BAR, height: high, class: side ? "ribbon-end" : `series-${order.indexOf(name) % 8}` }),
      svg("text", { x: side ? right + 6 : left - 6, y: at + high / 2 + 4, class: `axis${side ? "" : " end"}` }, `${cut(name)} ${count}`),
      svg("title", {}, `${name}: ${count}`));
  }));
  node.replaceChildren(...ribbons, ...ends);
  node.setAttribute("aria-label", rows.map(([from, to, count]) => t`${from} → ${to}: ${count}`).join("; "));
}
