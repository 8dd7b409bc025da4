// The flows page: hours of the whole site as a matrix, occupancy, time in view, heat maps.
import { alertLine, ask, nowNs } from "./common.js";
import { $, el, say, svg } from "./dom.js";
import { drawSeries, withHoles } from "./plot.js";
import { inOrder, t } from "./words.js";

const FEW = t`In every hour of this stretch there were fewer than the minimum group.`;
const COLUMNS = 24;
const ROWS = 14;
const names = new Map([...$("camera").options].map((option) => [option.value, option.textContent]));
const nameOf = (id) => names.get(id) || id;
let newest = null;

async function show() {
  const toNs = Math.floor(nowNs() / 3.6e12) * 3.6e12;
  const fromNs = toNs - Number($("hours").value) * 3.6e12;
  const path = `/api/v1/flows?from=${BigInt(fromNs)}&to=${BigInt(toNs)}`;
  for (const form of ["csv", "csv-places", "csv-queues"]) $(form).href = `${path}&format=${form}`;
  $("json").href = path;
  try {
    newest = { hours: (await ask(path)).hours, fromNs, toNs };
    draw();
    alertLine("flows", "");
  } catch (error) {
    if (error.message !== "logged out") alertLine("flows", error.message);
  }
}

function draw() {
  if (!newest) return;
  const { fromNs, toNs } = newest;
  const hours = newest.hours.filter((hour) => hour.group === $("group").value);
  $("empty").hidden = hours.length > 0;
  $("figures").hidden = hours.length === 0;
  if (!hours.length) { say($("well"), ""); return; }
  drawMatrix(hours);
  const cameras = [...new Set(hours.flatMap((hour) => hour.places.map((place) => place.camera_id)))].sort();
  const bins = withHoles(hours.map((hour) => [hour.start_ns, hour.end_ns, mean(hour.places.map((place) => place.coverage))]), fromNs, toNs);
  const seriesOf = (pick) => cameras.map((id) => ({ name: nameOf(id), isBar: false, points: hours.map((hour) => {
    const place = hour.places.find((one) => one.camera_id === id);
    return [hour.start_ns, place ? pick(place) : null, hour.end_ns];
  }) }));
  drawSeries($("present"), seriesOf((place) => place.mean_present), bins, fromNs, toNs, FEW);
  drawSeries($("dwell"), seriesOf((place) => place.dwell_median_s), bins, fromNs, toNs, FEW);
  const queues = [...new Set(hours.flatMap((hour) => hour.queues.map((one) => `${nameOf(one.camera_id)}: ${one.name}`)))].sort(inOrder);
  $("queues-panel").hidden = !queues.length;
  const waited = (pick) => queues.map((name) => ({ name, isBar: false, points: hours.map((hour) => {
    const one = hour.queues.find((each) => `${nameOf(each.camera_id)}: ${each.name}` === name);
    return [hour.start_ns, one ? pick(one) : null, hour.end_ns];
  }) }));
  if (queues.length) {
    drawSeries($("waiting"), waited((one) => one.wait_median_s), bins, fromNs, toNs, FEW);
    drawSeries($("queue-length"), waited((one) => one.mean_length), bins, fromNs, toNs, FEW);
  }
  drawHeat(hours);
  const seen = bins.reduce((sum, bin) => sum + bin[2] * (bin[1] - bin[0]), 0) / (toNs - fromNs);
  say($("well"), t`${Math.round(seen * 100)} % of this stretch was analysed.`);
}

function drawMatrix(hours) {
  const sums = new Map();
  for (const cell of hours.flatMap((hour) => hour.cells)) {
    const key = `${cell.from_camera} ${cell.to_camera}`;
    const sum = sums.get(key) || { count: 0, seconds: 0, coverage: [] };
    sum.count += cell.count;
    sum.seconds += cell.count * cell.median_s;
    sum.coverage.push(cell.coverage);
    sums.set(key, sum);
  }
  const ids = [...new Set([...sums.keys()].flatMap((key) => key.split(" ")))].sort();
  const most = Math.max(1, ...[...sums.values()].map((sum) => sum.count));
  $("matrix-empty").hidden = sums.size > 0;
  $("matrix").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", {}, t`from \\ to`), ...ids.map((id) => el("th", { class: "num" }, nameOf(id))))),
    el("tbody", {}, ...ids.map((from) => el("tr", {}, el("th", {}, nameOf(from)), ...ids.map((to) => {
      const sum = sums.get(`${from} ${to}`);
      if (!sum) return el("td", { class: "num muted" }, "–");
      const node = el("td", { class: "num", title: t`about ${Math.round(sum.seconds / sum.count)} s on the way; ${Math.round(mean(sum.coverage) * 100)} % analysed` }, String(sum.count));
      node.style.background = `color-mix(in srgb, var(--people) ${Math.round((60 * sum.count) / most)}%, transparent)`;
      return node;
    })))));
}

function drawHeat(hours) {
  const sums = new Array(COLUMNS * ROWS).fill(0);
  for (const place of hours.flatMap((hour) => hour.places)) {
    if (place.camera_id === $("camera").value) place.heat.forEach((count, index) => { sums[index] += count; });
  }
  const most = Math.max(1, ...sums);
  $("heat-empty").hidden = sums.some((count) => count > 0);
  const node = $("heat");
  node.setAttribute("viewBox", `0 0 ${COLUMNS * 16} ${ROWS * 16}`);
  node.setAttribute("aria-label", t`Heat map of ${nameOf($("camera").value)}: up to ${Math.max(...sums)} in one cell`);
  node.replaceChildren(
    svg("rect", { x: 0, y: 0, width: COLUMNS * 16, height: ROWS * 16, class: "ground" }),
    ...sums.flatMap((count, index) => (count === 0 ? [] : [svg("rect", {
      x: (index % COLUMNS) * 16, y: Math.floor(index / COLUMNS) * 16, width: 16, height: 16, class: "hot", opacity: 0.1 + (0.9 * count) / most },
    svg("title", {}, `${count}`))])));
}

const mean = (list) => (list.length ? list.reduce((sum, one) => sum + one, 0) / list.length : 0);

for (const id of ["group", "camera"]) $(id).addEventListener("change", draw);
$("hours").addEventListener("change", show);
show();
setInterval(show, 60_000);
