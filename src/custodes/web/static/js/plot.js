// Series over time as an SVG: lines or bars, with an axis, a legend, and pale stretches where little was analysed.
import { clockText, shortDateText, svg } from "./dom.js";
import { t } from "./words.js";

const HEIGHT = 150;
const BASE = 122;
const LEFT = 38;
const COLOURS = 8;
const ROW = 14;
const LETTER = 6.4;
const BLANK_LETTER = 7;

/** Plots are drawn for the width that they have: draw them anew when it is another. A phone's bars that come and go are no
 * other width. */
export function whenWidthChanges(redraw) {
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    redraw();
  });
}

/** The names of series with their colours, in as many rows as they need, and how far the plot moves down for them. */
function legendOf(series, width) {
  let [at, row] = [LEFT, 0];
  const parts = series.flatMap((one, index) => {
    if (one.key === "") return [];
    const words = one.key ?? one.name;
    const wide = 24 + words.length * LETTER;
    if (at > LEFT && at + wide > width) [at, row] = [LEFT, row + 1];
    const x = at;
    at += wide;
    const mark = one.isDashed
      ? svg("path", { d: `M${x},${6.5 + row * ROW}h10`, class: "stroke dashed key" })
      : svg("rect", { x, y: 2 + row * ROW, width: 9, height: 9, class: `${toneOf(one, index)} key` });
    return [mark, svg("text", { x: x + 13, y: 10.5 + row * ROW, class: "axis" }, words)];
  });
  return [parts, row * ROW];
}

const toneOf = (one, index) => `series-${(one.tone ?? index) % COLOURS}`;

/** Put the parts of a plot beneath its legend. */
function put(node, series, parts, width) {
  const [legend, downPx] = legendOf(series, width);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT + downPx}`);
  node.style.height = downPx ? `${HEIGHT + downPx}px` : "";
  node.replaceChildren(...legend, svg("g", { transform: `translate(0,${downPx})` }, ...parts));
}

/** Words in place of a plot, in as many lines as they need. Languages without spaces break between letters. */
function blank(node, words, width) {
  const wideOf = (text) => [...text].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 2 : 1) * BLANK_LETTER, 0);
  const lines = [""];
  for (const part of words.match(/[\u2e80-\uffff]|[^\s\u2e80-\uffff]+\s*|\s+/g) || []) {
    if (lines.at(-1) && wideOf(lines.at(-1) + part) > width - 16) lines.push("");
    lines[lines.length - 1] += part;
  }
  node.replaceChildren(...lines.map((line, row) => svg("text",
    { x: width / 2, y: HEIGHT / 2 + (row - (lines.length - 1) / 2) * 18, class: "axis blank" }, line.trim())));
  node.setAttribute("aria-label", words);
}

/** series: [{ name, points: [[ns, value or null]], isBar }], and where two share a colour `tone`, its number, `isDashed`
 * for the second line of it, and `key`, what the legend says instead of the name ("": nothing); bins: [[startNs, endNs,
 * coverage]]; `nothing`: what to say where there is no value at all, instead of a scale of nothing. */
export function drawSeries(node, series, bins, fromNs, toNs, nothing = t`Nothing was counted in this stretch.`) {
  const width = Math.max(280, node.clientWidth || 700);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const values = series.flatMap((one) => one.points.map((point) => point[1])).filter((value) => value !== null);
  if (!values.length) {
    const isSeen = bins.some((bin) => bin[2] > 0);
    node.style.height = "";
    blank(node, isSeen ? nothing : t`Nothing of this stretch was analysed.`, width);
    return;
  }
  const top = niceTop(Math.max(1, ...values));
  const xOf = (ns) => LEFT + ((ns - fromNs) / (toNs - fromNs)) * (width - LEFT - 4);
  const yOf = (value) => BASE - (value / top) * (BASE - 18);
  const parts = bins.filter((bin) => bin[2] < 0.95).map(([start, end, coverage]) => svg("rect", {
    x: xOf(start), width: Math.max(1, xOf(end) - xOf(start)), y: 14, height: BASE - 14, class: "unseen" },
  svg("title", {}, t`${clockText(start).slice(0, 5)}: ${Math.round(coverage * 100)} % analysed`)));
  for (const share of [0, 0.5, 1]) {
    parts.push(svg("line", { x1: LEFT, x2: width, y1: yOf(top * share), y2: yOf(top * share), class: "grid" }));
    parts.push(svg("text", { x: LEFT - 5, y: yOf(top * share) + 3.5, class: "axis end" }, String(top * share)));
  }
  series.forEach((one, index) => parts.push(...drawOne(one, index, series.filter((each) => each.isBar).length, xOf, yOf)));
  const hours = (toNs - fromNs) / 3.6e12;
  const stepNs = 3.6e12 * (hours <= 8 ? 1 : hours <= 36 ? 4 : 24);
  for (let ns = Math.ceil(fromNs / stepNs) * stepNs; ns < toNs; ns += stepNs) {
    if (xOf(ns) < width - 30) parts.push(svg("text", { x: xOf(ns), y: HEIGHT - 12, class: "axis" }, hours > 36 ? shortDateText(ns) : clockText(ns).slice(0, 5)));
  }
  put(node, series, parts, width);
  node.setAttribute("aria-label", series.map((one) => `${one.name}: ${summary(one.points)}`).join("; "));
}

/** A histogram. series: [{ name, counts }], the first count from 0 to `step` on, and so on; marks: [[value, words]]. */
export function drawBins(node, series, step, nothing, marks = []) {
  const width = Math.max(280, node.clientWidth || 700);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const filled = series.flatMap((one) => one.counts.map((count, bin) => (count ? bin : -1))).filter((bin) => bin >= 0);
  if (!filled.length) {
    node.style.height = "";
    blank(node, nothing, width);
    return;
  }
  const [first, last] = [Math.max(0, Math.min(...filled) - 1), Math.max(...filled) + 2];
  const top = niceTop(Math.max(1, ...series.flatMap((one) => one.counts)));
  const wide = (width - LEFT - 4) / (last - first);
  const yOf = (value) => BASE - (value / top) * (BASE - 18);
  const parts = [0, 0.5, 1].flatMap((share) => [
    svg("line", { x1: LEFT, x2: width, y1: yOf(top * share), y2: yOf(top * share), class: "grid" }),
    svg("text", { x: LEFT - 5, y: yOf(top * share) + 3.5, class: "axis end" }, String(top * share))]);
  const every = Math.max(1, Math.ceil(28 / wide));
  for (let bin = first; bin < last; bin += every) parts.push(svg("text", { x: LEFT + (bin - first) * wide, y: HEIGHT - 12, class: "axis" }, String(bin * step)));
  series.forEach((one, index) => {
    const bar = Math.max(1, (wide - 2) / series.length);
    one.counts.forEach((count, bin) => {
      if (count) parts.push(svg("rect", { x: LEFT + (bin - first) * wide + 1 + index * bar, width: bar, y: yOf(count), height: BASE - yOf(count), class: toneOf(one, index) },
        svg("title", {}, `${one.name}, ${bin * step}–${(bin + 1) * step}: ${count}`)));
    });
  });
  for (const [value, words] of marks) {
    const x = LEFT + (value / step - first) * wide;
    parts.push(svg("line", { x1: x, x2: x, y1: 16, y2: BASE, class: "mark" }), svg("text", { x: x + 3, y: 24, class: "axis" }, words));
  }
  put(node, series, parts, width);
  node.setAttribute("aria-label", series.map((one) => `${one.name}: ${one.counts.reduce((sum, count) => sum + count, 0)}`).join("; "));
}

function drawOne(one, index, bars, xOf, yOf) {
  const name = toneOf(one, index);
  if (one.isBar) {
    return one.points.filter((point) => point[1]).map(([ns, value, endNs]) => {
      const step = (xOf(endNs) - xOf(ns)) / bars; // all of a bin stay within it, however narrow
      return svg("rect", { x: xOf(ns) + index * step, width: step > 3 ? step - 1 : step, y: yOf(value), height: yOf(0) - yOf(value), class: name },
        svg("title", {}, `${clockText(ns).slice(0, 5)} ${one.name}: ${value}`));
    });
  }
  const parts = [];
  let path = "";
  let before = null;
  for (const [ns, value, endNs] of one.points) {
    if (value === null || (before !== null && ns > before)) path += " "; // nothing is drawn over what was not analysed
    before = endNs;
    if (value === null) continue;
    const x = xOf((ns + endNs) / 2);
    path += `${path === "" || path.endsWith(" ") ? "M" : "L"}${x.toFixed(1)},${yOf(value).toFixed(1)}`;
    parts.push(svg("circle", { cx: x, cy: yOf(value), r: 2.5, class: name },
      svg("title", {}, `${clockText(ns).slice(0, 5)} ${one.name}: ${value}`)));
  }
  return [svg("path", { d: path.trim() || "M0,0", class: `${name} stroke${one.isDashed ? " dashed" : ""}` }), ...parts];
}

function niceTop(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 5, 10].map((one) => one * power).find((one) => one >= most);
}

function summary(points) {
  const values = points.map((point) => point[1]).filter((value) => value !== null);
  return values.length ? t`up to ${Math.max(...values)}` : t`nothing`;
}

/** Bins of [startNs, endNs, coverage] by time, and what lies between them, which nobody analysed. */
export function withHoles(bins, fromNs, toNs) {
  const whole = [];
  let at = fromNs;
  for (const bin of bins) {
    if (bin[0] > at) whole.push([at, bin[0], 0]);
    whole.push(bin);
    at = bin[1];
  }
  if (toNs > at) whole.push([at, toNs, 0]);
  return whole;
}
