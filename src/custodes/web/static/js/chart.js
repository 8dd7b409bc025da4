// Bars of people and vehicles per bin; a bin that was not wholly analysed is drawn pale, because its count is too low.
import { clockText, svg } from "./dom.js";

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
      svg("title", {}, `${clockText(start).slice(0, 5)}: ${people} people, ${vehicles} vehicles, ${Math.round(share * 100)} % analysed`));
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
  node.setAttribute("aria-label", `${sum(counts.people)} people and ${sum(counts.vehicles)} vehicles began a track in this stretch`);
}
