// The traffic page: one camera's figures by quarters of an hour, with their coverage.
import { alertLine, ask, nowNs } from "./common.js";
import { $, cameraPage, clockText, dateText, durationText, el, say } from "./dom.js";
import { drawBins, drawSeries, whenWidthChanges, withHoles } from "./plot.js";
import { post } from "./post.js";
import { drawRibbons } from "./ribbons.js";
import { fixed, inOrder, t } from "./words.js";

const BIN_KMH = 5;

const wayText = (line) => `${line.line} ${line.is_forward ? "→" : "←"}`;
let generation = 0;
let newest = null; // what is drawn

async function show() {
  const mine = ++generation;
  const camera = $("camera").value;
  if (!camera) { $("empty").hidden = false; $("figures").hidden = true; return; }
  const toNs = Math.ceil(nowNs() / 9e11) * 9e11;
  const fromNs = toNs - Number($("hours").value) * 3.6e12;
  const path = `/api/v1/cameras/${encodeURIComponent(camera)}/traffic?from=${BigInt(fromNs)}&to=${BigInt(toNs)}`;
  for (const form of ["csv", "csv-hours", "csv-incidents", "datex", "json"]) $(form)?.setAttribute("href", `${path}&format=${form}`);
  try {
    const body = await ask(path);
    if (mine === generation) draw(...(newest = [body, fromNs, toNs]));
    alertLine("traffic", "");
  } catch (error) {
    if (error.message !== "logged out") alertLine("traffic", error.message);
  }
}

function draw(body, fromNs, toNs) {
  const quarters = body.quarters;
  const bins = withHoles(quarters.map((one) => [one.start_ns, one.end_ns, one.coverage]), fromNs, Math.min(toNs, body.now_ns));
  const ways = [...new Set(quarters.flatMap((one) => one.lines.filter((line) => line.vehicles).map(wayText)))].sort(inOrder);
  const seriesOf = (pick, isBar) => ways.map((way) => ({ name: way, isBar, points: quarters.map((one) => {
    const line = one.lines.find((each) => wayText(each) === way);
    return [one.start_ns, line ? pick(line) : null, one.end_ns];
  }) }));
  $("empty").hidden = quarters.length > 0;
  $("figures").hidden = quarters.length === 0;
  drawSeries($("volume"), seriesOf((line) => line.vehicles, true), bins, fromNs, toNs);
  drawSeries($("speed"), [
    ...seriesOf((line) => line.speeds?.v50_kmh ?? null, false).map((one) => ({ ...one, name: `${one.name} v50`, key: one.name })),
    ...seriesOf((line) => line.speeds?.v85_kmh ?? null, false).map((one, tone) => (
      { ...one, name: `${one.name} v85`, tone, isDashed: true, key: tone ? "" : "v85" })),
  ], bins, fromNs, toNs, t`No speed was measured: too few vehicles crossed a line, or this camera's ground is not measured.`);
  drawBins($("histogram"), body.sums.filter((one) => one.measured).map((one) => ({ name: wayText(one), counts: one.histogram })), BIN_KMH,
    t`No speed was measured: too few vehicles crossed a line, or this camera's ground is not measured.`);
  drawSeries($("queue"), [{ name: t`queue`, isBar: true, points: quarters.map((one) => [one.start_ns, one.queue?.length_m ?? null, one.end_ns]) }],
    bins, fromNs, toNs, t`No queue was measured; this needs the camera's ground.`);
  const seen = bins.reduce((sum, bin) => sum + (bin[1] - bin[0]) * bin[2], 0) / Math.max(1, Math.min(toNs, body.now_ns) - fromNs);
  say($("well"), quarters.length ? t`${percent(seen)} % of this stretch was analysed; pale where it was not.` : "");
  $("lines").replaceChildren(...body.sums.map((one) => lineRow(one, quarters)));
  $("classes").replaceChildren(...body.sums.map(classRow));
  const moved = body.movements.filter((one) => one.vehicles);
  $("movements").replaceChildren(...moved.map(movementRow));
  $("movements-empty").hidden = moved.length > 0;
  drawRibbons($("turns"), moved.map((one) => [t`from ${one.entry}`, t`to ${one.exit}`, one.vehicles]));
  $("alarms").replaceChildren(...body.alarms.map(alarmRow));
  $("alarms-panel").hidden = body.alarms.length === 0;
  // Whoever is about to press a button keeps it under the finger.
  if (!$("incidents").contains(document.activeElement)) $("incidents").replaceChildren(...body.incidents.slice().reverse().map(incidentRow));
  $("incidents-empty").hidden = body.incidents.length > 0;
}

const number = (text) => el("td", { class: "num" }, text);
const kmh = (value) => (value === null ? "–" : t`${value.toFixed(0)} km/h`);

function lineRow(one, quarters) {
  const newest = quarters.flatMap((quarter) => quarter.lines).filter((line) => wayText(line) === wayText(one) && line.vehicles).at(-1);
  return el("tr", {},
    el("td", {}, one.line), el("td", {}, one.is_forward ? t`forward` : t`backward`),
    number(String(one.vehicles)), number(fixed(one.car_units, 1)), number(String(one.counts.person || 0)), number(`${percent(one.coverage)} %`),
    number(kmh(one.v50_kmh)), number(one.v85_kmh === null ? "–" : t`${one.v85_kmh.toFixed(0)} ± ${fixed(one.v85_error_kmh, 1)} km/h`),
    number(one.over_limit_share === null ? "–" : `${Math.round(one.over_limit_share * 100)} %`),
    ...peakCells(one),
    number(newest?.headway_s ? durationText(newest.headway_s) : "–"), number(newest?.level_of_service || "–"));
}

const peakCells = (one) => [
  number(one.peak ? t`${one.peak.vehicles} from ${clockText(one.peak.start_ns).slice(0, 5)}` : "–"),
  number(one.peak ? fixed(one.peak.factor, 2) : "–"),
];

const movementRow = (one) => el("tr", {},
  el("td", {}, one.entry), el("td", {}, one.exit), number(String(one.vehicles)), number(fixed(one.car_units, 1)),
  number(`${percent(one.coverage)} %`), ...peakCells(one));

function classRow(one) {
  const lengths = one.lengths.length ? [one.lengths[0] + one.lengths[1], one.lengths[2], one.lengths[3]].map(String) : ["–", "–", "–"];
  return el("tr", {}, el("td", {}, one.line), el("td", {}, one.is_forward ? t`forward` : t`backward`),
    ...["bicycle", "motorcycle", "car", "bus", "truck"].map((name) => number(String(one.counts[name] || 0))), ...lengths.map(number));
}

function alarmRow(one) {
  return el("tr", {}, el("td", {}, one.words), ...[one.found, one.real, one.false, one.found - one.real - one.false].map((count) => number(String(count))),
    number(one.delay_s === null ? "–" : durationText(one.delay_s)), number(one.false_per_day === null ? "–" : fixed(one.false_per_day, 2)));
}

function incidentRow(one) {
  const camera = $("camera").value;
  const at = cameraPage(camera);
  const when = `${dateText(one.start_ns)} ${clockText(one.start_ns)}`;
  const words = one.is_real === null ? "" : one.is_real ? t`real, says ${one.by}` : t`false alarm, says ${one.by}`;
  const judge = async (isReal) => {
    try {
      await post(`/api/v1/cameras/${encodeURIComponent(camera)}/incidents`, { kind: one.kind, road: one.road, start_ns: one.start_ns, is_real: isReal });
      alertLine("judged", "");
    } catch (error) {
      alertLine("judged", error.message);
    }
    document.activeElement?.blur();
    show();
  };
  const button = (text, isReal) => el("button", { type: "button", class: "link", onclick: () => judge(isReal), "aria-label": t`${text}: ${one.words}, ${when}` }, text);
  return el("tr", {},
    el("td", {}, at ? el("a", { href: `${at}?at=${BigInt(one.start_ns)}` }, when) : when), el("td", {}, one.words), el("td", {}, one.road),
    el("td", {}, durationText((one.found_ns - one.start_ns) / 1e9)),
    el("td", {}, one.is_over ? durationText((one.end_ns - one.start_ns) / 1e9) : t`goes on`), el("td", { class: "muted" }, one.evidence),
    el("td", {}, ...(words ? [words, " ", button(t`take back`, null)] : [button(t`real`, true), " · ", button(t`false alarm`, false)])));
}

// the address names what is shown, so that it can be kept and sent on
const asked = new URLSearchParams(location.search);
for (const id of ["camera", "hours"]) {
  const node = $(id);
  if ([...node.options].some((one) => one.value === asked.get(id))) node.value = asked.get(id);
  node.addEventListener("change", () => {
    asked.set(id, node.value);
    history.replaceState(null, "", `?${asked}`);
    show();
  });
}
show();
setInterval(show, 30_000);
whenWidthChanges(() => newest && draw(...newest));

/** Of a share: a little is not nothing. */
function percent(share) {
  return share > 0 && share < 0.005 ? "< 1" : Math.round(share * 100);
}
