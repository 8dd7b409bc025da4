// The flows page: hours of the whole site as a matrix, occupancy, time in view, heat maps.
import { alertLine, ask, nowNs } from "./common.js";
import { $, clockText, el, say, shortDateText, svg } from "./dom.js";
import { Player } from "./player.js";
import { drawBins, drawSeries, whenWidthChanges, withHoles } from "./plot.js";
import { drawRibbons } from "./ribbons.js";
import { inOrder, t } from "./words.js";

const FEW = t`In every hour of this stretch there were fewer than the minimum group.`;
const BAND_S = 10;
const OPEN_BANDS = 2; // as which the band without an end is drawn
const LEAST_BANDS = 4; // from which on shares of a distribution are told
const MOST_SHADE = 45; // per cent of colour beneath a number: with more it is not read in the dark
const COLUMNS = 24;
const ROWS = 14;
const names = new Map([...$("camera").options].map((option) => [option.value, option.textContent]));
const nameOf = (id) => names.get(id) || id;
let newest = null;

async function show() {
  const toNs = Math.floor(nowNs() / 3.6e12) * 3.6e12;
  const fromNs = toNs - Number($("hours").value) * 3.6e12;
  const path = `/api/v1/flows?from=${BigInt(fromNs)}&to=${BigInt(toNs)}`;
  for (const form of ["csv", "csv-times", "csv-places", "csv-queues"]) $(form).href = `${path}&format=${form}`;
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
  chooseHours(hours);
  const chosen = hours.filter((hour) => $("hour").value === "" || String(hour.start_ns) === $("hour").value);
  drawMatrix(chosen);
  say($("how"), how(chosen));
  chooseWays(hours);
  drawTimes(hours);
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

function how(hours) {
  const linked = hours.filter((hour) => hour.linked !== null);
  if (!linked.length) return t`Made from times and directions alone: looks (colours of clothes and vehicles) took no part.`;
  const cells = hours.flatMap((hour) => hour.cells);
  const all = cells.reduce((sum, cell) => sum + cell.count, 0);
  const byLinks = cells.reduce((sum, cell) => sum + cell.count * cell.by_links, 0);
  const reach = Math.round((100 * linked.reduce((sum, hour) => sum + hour.linked, 0)) / hours.length);
  if (!all) return t`Looks (colours of clothes and vehicles) were compared for ${reach} % of all tracks.`;
  const share = Math.round((100 * byLinks) / all);
  if (share === 100) return t`Looks (colours of clothes and vehicles) were compared for ${reach} % of all tracks; all numbers here are from looks, times and directions.`;
  return t`Looks (colours of clothes and vehicles) were compared for ${reach} % of all tracks; ${share} % of what is counted here is from looks, times and directions, the rest from times and directions alone.`;
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
  drawRibbons($("ribbons"), [...sums].map(([key, sum]) => [...key.split(" ").map(nameOf), sum.count]).sort((a, b) => b[2] - a[2]));
  const ids = [...new Set([...sums.keys()].flatMap((key) => key.split(" ")))].sort();
  const most = Math.max(1, ...[...sums.values()].map((sum) => sum.count));
  $("matrix-empty").hidden = sums.size > 0;
  $("matrix").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", {}, t`from \\ to`), ...ids.map((id) => el("th", { class: "num" }, nameOf(id))))),
    el("tbody", {}, ...ids.map((from) => el("tr", {}, el("th", {}, nameOf(from)), ...ids.map((to) => {
      const sum = sums.get(`${from} ${to}`);
      if (!sum) return el("td", { class: "num muted" }, "–");
      const usual = Math.round(sum.seconds / sum.count), seen = Math.round(mean(sum.coverage) * 100);
      const node = el("td", { class: "num", title: t`about ${usual} s on the way; ${seen} % analysed` }, el("b", {}, String(sum.count)), el("small", {}, t`${usual} s · ${seen} %`));
      node.style.background = `color-mix(in srgb, var(--people) ${Math.round((MOST_SHADE * sum.count) / most)}%, transparent)`;
      return node;
    })))));
}

/** Puts options into a list and keeps what was chosen, where it is still there. */
function offer(select, options) {
  if ([...select.options].map((one) => one.value).join("\n") === options.map(([value]) => value).join("\n")) return;
  const before = select.value;
  select.replaceChildren(...options.map(([value, words]) => el("option", { value }, words)));
  if (options.some(([value]) => value === before)) select.value = before;
}

function chooseHours(hours) {
  const told = hours.filter((hour) => hour.cells.length);
  offer($("hour"), [["", t`all of the stretch`], ...told.map((hour) => [String(hour.start_ns), `${shortDateText(hour.start_ns)} ${clockText(hour.start_ns).slice(0, 5)}`])]);
}

function chooseWays(hours) {
  const keys = [...new Set(hours.flatMap((hour) => hour.cells.map((cell) => `${cell.from_camera} ${cell.to_camera}`)))].sort(inOrder);
  offer($("way"), keys.map((key) => [key, key.split(" ").map(nameOf).join(" → ")]));
}

/** Counts by `BAND_S` of all hours, each band spread evenly; where the first bands end and the open ones begin. */
function timesOf(cells) {
  const counts = [];
  let [firstS, openS] = [0, Infinity];
  for (const band of cells.flatMap((cell) => cell.times || [])) {
    if (band.to_s === null) openS = Math.min(openS, band.from_s);
    else if (band.from_s === 0) firstS = Math.max(firstS, band.to_s);
    const first = Math.round(band.from_s / BAND_S);
    const last = band.to_s === null ? first + OPEN_BANDS : Math.round(band.to_s / BAND_S);
    for (let bin = first; bin < last; bin += 1) counts[bin] = (counts[bin] || 0) + band.count / (last - first);
  }
  return { counts: Array.from(counts, (count) => count || 0), firstS, openS };
}

/** The duration that `share` of all do not exceed. */
function timeOf(counts, share) {
  let left = share * counts.reduce((sum, count) => sum + count, 0);
  for (const [bin, count] of counts.entries()) {
    if (count >= left && count > 0) return (bin + left / count) * BAND_S;
    left -= count;
  }
  return counts.length * BAND_S;
}

function drawTimes(hours) {
  const cells = hours.flatMap((hour) => hour.cells).filter((cell) => `${cell.from_camera} ${cell.to_camera}` === $("way").value);
  const { counts, firstS, openS } = timesOf(cells);
  const name = $("way").selectedOptions[0]?.textContent || "";
  const shares = [0.15, 0.5, 0.85].map((share) => [timeOf(counts, share), `${share * 100} %`]);
  // Within the first and the last bands nobody's time is known: they are told as what they are.
  const words = shares.map(([value]) => (value <= firstS ? t`under ${firstS}` : value >= openS ? t`over ${openS}` : String(Math.round(value))));
  const bands = Math.max(0, ...cells.map((cell) => (cell.times || []).length));
  const isTold = bands >= LEAST_BANDS;
  const marks = isTold ? shares.filter(([value]) => value > firstS && value < openS) : [];
  drawBins($("times"), counts.length ? [{ name, counts: counts.map(Math.round) }] : [], BAND_S, FEW, marks);
  const count = cells.reduce((sum, cell) => sum + cell.count, 0);
  const well = Math.round(mean(cells.map((cell) => cell.coverage)) * 100);
  say($("times-said"), !cells.length ? "" : isTold
    ? t`15 of 100 take ${words[0]} s, half ${words[1]} s, 85 of 100 ${words[2]} s. Bands each hold the minimum group, of ${count} on the way; ${well} % analysed. The last begins at ${openS} s and has no end.`
    : t`Too few for a distribution: bands each hold the minimum group, and there are ${bands}. Half take about ${Math.round(cells.reduce((sum, cell) => sum + cell.count * cell.median_s, 0) / Math.max(1, count))} s, of ${count} on the way; ${well} % analysed.`);
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

// -- the picture beneath the heat map: live and masked as for everybody, then left standing; the look is in the log

const LOOK_MS = 2500;
let player = null;

function look() {
  player?.release();
  say($("look-said"), t`Asking for a picture …`);
  player = new Player($("beneath"), { path: `/api/v1/cameras/${encodeURIComponent($("camera").value)}/live?max_height_px=480`, isLive: true });
  const mine = player;
  let timer = 0;
  mine.addEventListener("state", () => {
    if (mine.state === "refused") say($("look-said"), mine.message);
    if (mine.state !== "playing" || timer) return;
    say($("look-said"), "");
    $("heat-stage").toggleAttribute("data-picture", true);
    timer = setTimeout(() => { $("beneath").pause(); mine.stop(); }, LOOK_MS);
  });
  mine.start();
}

function lookAway() {
  player?.release();
  player = null;
  $("heat-stage").removeAttribute("data-picture");
  say($("look-said"), "");
}

$("look")?.addEventListener("click", look);
if ($("look")) $("look").disabled = false;
$("camera").addEventListener("change", lookAway);
addEventListener("pagehide", lookAway);

const mean = (list) => (list.length ? list.reduce((sum, one) => sum + one, 0) / list.length : 0);

for (const id of ["group", "camera", "hour", "way"]) $(id).addEventListener("change", draw);
$("hours").addEventListener("change", show);
show();
setInterval(show, 60_000);
whenWidthChanges(draw);
