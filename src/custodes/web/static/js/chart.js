// Bars of people and vehicles per bin; a bin that was not wholly analysed is drawn pale, because its count is too low.
import { clockText, svg } from "./dom.js";
import { fixed, t } from "./words.js";

const HEIGHT = 92;
const BASE = 74;
const LEFT = 30;

export function drawChart(node, counts, fromNs, toNs) {
  const width = Math.max(240, node.clientWidth || 600);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const most = Math.max(4, ...counts.people.map((people, index) => people + counts.vehicles[index]));
  const top = most + (most % 2);
  const xOf = (ns) => LEFT + ((ns - fromNs) / (toNs - fromNs)) * (width - LEFT);
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    const y = BASE - share * (BASE - 8);
    parts.push(svg("line", { x1: LEFT, x2: width, y1: y, y2: y, class: "grid" }));
    parts.push(svg("text", { x: LEFT - 5, y: y + 3.5, class: "axis end" }, String(top * share)));
  }
  counts.people.forEach((people, index) => {
    const start = counts.first_ns + index * counts.bin_ns;
    const x = Math.max(LEFT, xOf(start));
    const wide = Math.max(1, Math.min(width, xOf(start + counts.bin_ns)) - x - 1.5);
    if (x >= width) return;
    const share = counts.coverage[index];
    const vehicles = counts.vehicles[index];
    const group = svg("g", { class: share < 0.95 ? "partly" : "" },
      svg("title", {}, t`${clockText(start).slice(0, 5)}: ${people} people, ${vehicles} vehicles, ${Math.round(share * 100)} % analysed`));
    const scale = (BASE - 8) / top;
    if (people) group.append(svg("rect", { x, width: wide, y: BASE - people * scale, height: people * scale, class: "people" }));
    if (vehicles) group.append(svg("rect", { x, width: wide, y: BASE - (people + vehicles) * scale, height: vehicles * scale, class: "vehicles" }));
    if (share < 0.95) group.append(svg("rect", { x, width: wide, y: BASE + 1, height: 2, class: "uncovered" }));
    parts.push(group);
  });
  const every = Math.max(1, Math.ceil(counts.people.length / (width / 70)));
  for (let index = 0; index < counts.people.length; index += every) {
    const ns = counts.first_ns + index * counts.bin_ns;
    if (ns >= fromNs && xOf(ns) < width - 32) parts.push(svg("text", { x: xOf(ns), y: HEIGHT - 5, class: "axis" }, clockText(ns).slice(0, 5)));
  }
  node.replaceChildren(...parts);
  const sum = (list) => list.reduce((total, one) => total + one, 0);
  node.setAttribute("aria-label", t`${sum(counts.people)} people and ${sum(counts.vehicles)} vehicles began a track in this stretch`);
}

const HOUR_NS = 3600e9;
const TELLING = 30;

/** The share of quiet GOPs that held motion, hour by hour: its 95 % interval as a bar, what was counted as a line. */
export function drawGate(node, hours, fromNs, toNs) {
  const tried = hours.filter((hour) => hour.trials > 0);
  node.toggleAttribute("hidden", tried.length === 0);
  if (!tried.length) return;
  const width = Math.max(240, node.clientWidth || 600);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  // An hour of a few trials is open upwards; the scale is that of the hours that tell something.
  const top = Math.min(1, Math.max(0.05, ...tried.filter((hour) => hour.trials >= TELLING).map((hour) => hour.miss_high)));
  const xOf = (ns) => LEFT + ((ns - fromNs) / (toNs - fromNs)) * (width - LEFT);
  const yOf = (share) => BASE - (Math.min(share, top) / top) * (BASE - 8);
  const percent = (share) => `${fixed(100 * share, 1)} %`;
  const parts = [0, 0.5, 1].flatMap((share) => [
    svg("line", { x1: LEFT, x2: width, y1: yOf(share * top), y2: yOf(share * top), class: "grid" }),
    svg("text", { x: LEFT - 5, y: yOf(share * top) + 3.5, class: "axis end" }, `${(100 * share * top).toFixed(1).replace(".0", "")}%`),
  ]);
  for (const hour of tried) {
    const x = Math.max(LEFT, xOf(hour.start_ns));
    const wide = Math.min(width, xOf(hour.start_ns + HOUR_NS)) - x - 1.5;
    if (wide <= 0) continue;
    const counted = yOf(hour.missed / hour.trials);
    parts.push(svg("g", {},
      svg("title", {}, t`${clockText(hour.start_ns).slice(0, 5)}: ${hour.missed} of ${hour.trials} quiet GOPs held motion, ${percent(hour.miss_low)} to ${percent(hour.miss_high)}`),
      svg("rect", { x, width: wide, y: yOf(hour.miss_high), height: Math.max(1, yOf(hour.miss_low) - yOf(hour.miss_high)), class: "miss" }),
      svg("line", { x1: x, x2: x + wide, y1: counted, y2: counted, class: "missed" })));
  }
  node.replaceChildren(...parts);
}
