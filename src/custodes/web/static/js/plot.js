// Series over time as an SVG: lines or bars, with an axis, a legend, and pale stretches where little was analysed.
import { clockText, shortDateText, svg } from "./dom.js";
import { t } from "./words.js";

const HEIGHT = 150;
const BASE = 122;
const LEFT = 38;

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

/** series: [{ name, points: [[ns, value or null]], isBar }]; bins: [[startNs, endNs, coverage]]; `nothing`: what to say
 * where there is no value at all, instead of a scale of nothing. */
export function drawSeries(node, series, bins, fromNs, toNs, nothing = t`Nothing was counted in this stretch.`) {
  const width = Math.max(280, node.clientWidth || 700);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const values = series.flatMap((one) => one.points.map((point) => point[1])).filter((value) => value !== null);
  if (!values.length) {
    const isSeen = bins.some((bin) => bin[2] > 0);
    node.replaceChildren(svg("text", { x: width / 2, y: HEIGHT / 2, class: "axis blank" }, isSeen ? nothing : t`Nothing of this stretch was analysed.`));
    node.setAttribute("aria-label", isSeen ? nothing : t`Nothing of this stretch was analysed.`);
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
  let at = LEFT;
  series.forEach((one, index) => {
    parts.push(svg("rect", { x: at, y: 2, width: 9, height: 9, class: `series-${index % 6} key` }));
    parts.push(svg("text", { x: at + 13, y: 10.5, class: "axis" }, one.name));
    at += 24 + one.name.length * 6.4;
  });
  node.replaceChildren(...parts);
  node.setAttribute("aria-label", series.map((one) => `${one.name}: ${summary(one.points)}`).join("; "));
}

/** A histogram. series: [{ name, counts }], the first count from 0 to `step` on, and so on; marks: [[value, words]]. */
export function drawBins(node, series, step, nothing, marks = []) {
  const width = Math.max(280, node.clientWidth || 700);
  node.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const filled = series.flatMap((one) => one.counts.map((count, bin) => (count ? bin : -1))).filter((bin) => bin >= 0);
  if (!filled.length) {
    node.replaceChildren(svg("text", { x: width / 2, y: HEIGHT / 2, class: "axis blank" }, nothing));
    node.setAttribute("aria-label", nothing);
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
  let at = LEFT;
  series.forEach((one, index) => {
    const bar = Math.max(1, (wide - 2) / series.length);
    one.counts.forEach((count, bin) => {
      if (count) parts.push(svg("rect", { x: LEFT + (bin - first) * wide + 1 + index * bar, width: bar, y: yOf(count), height: BASE - yOf(count), class: `series-${index % 6}` },
        svg("title", {}, `${one.name}, ${bin * step}–${(bin + 1) * step}: ${count}`)));
    });
    parts.push(svg("rect", { x: at, y: 2, width: 9, height: 9, class: `series-${index % 6} key` }));
    parts.push(svg("text", { x: at + 13, y: 10.5, class: "axis" }, one.name));
    at += 24 + one.name.length * 6.4;
  });
  for (const [value, words] of marks) {
    const x = LEFT + (value / step - first) * wide;
    parts.push(svg("line", { x1: x, x2: x, y1: 16, y2: BASE, class: "mark" }), svg("text", { x: x + 3, y: 24, class: "axis" }, words));
  }
  node.replaceChildren(...parts);
  node.setAttribute("aria-label", series.map((one) => `${one.name}: ${one.counts.reduce((sum, count) => sum + count, 0)}`).join("; "));
}

function drawOne(one, index, bars, xOf, yOf) {
  const name = `series-${index % 6}`;
  if (one.isBar) {
    return one.points.filter((point) => point[1]).map(([ns, value, endNs]) => {
      const wide = Math.max(1, (xOf(endNs) - xOf(ns)) / bars - 1);
      return svg("rect", { x: xOf(ns) + index * (wide + 1), width: wide, y: yOf(value), height: yOf(0) - yOf(value), class: name },
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
  return [svg("path", { d: path.trim() || "M0,0", class: `${name} stroke` }), ...parts];
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
