// The traffic page: one camera's figures by quarters of an hour, with their coverage.
import { alertLine, ask, nowNs } from "./common.js";
import { $, clockText, dateText, durationText, el, say } from "./dom.js";
import { drawSeries, withHoles } from "./plot.js";
import { inOrder, t } from "./words.js";

const wayText = (line) => `${line.line} ${line.is_forward ? "→" : "←"}`;
let generation = 0;

async function show() {
  const mine = ++generation;
  const camera = $("camera").value;
  if (!camera) { $("empty").hidden = false; $("figures").hidden = true; return; }
  const toNs = Math.ceil(nowNs() / 9e11) * 9e11;
  const fromNs = toNs - Number($("hours").value) * 3.6e12;
  const path = `/api/v1/cameras/${encodeURIComponent(camera)}/traffic?from=${BigInt(fromNs)}&to=${BigInt(toNs)}`;
  for (const form of ["csv", "datex", "json"]) $(form)?.setAttribute("href", `${path}&format=${form}`);
  try {
    const body = await ask(path);
    if (mine === generation) draw(body, fromNs, toNs);
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
    ...seriesOf((line) => line.speeds?.v50_kmh ?? null, false).map((one) => ({ ...one, name: `${one.name} v50` })),
    ...seriesOf((line) => line.speeds?.v85_kmh ?? null, false).map((one) => ({ ...one, name: `${one.name} v85` })),
  ], bins, fromNs, toNs, t`No speed was measured: too few vehicles crossed a line, or this camera's ground is not measured.`);
  drawSeries($("queue"), [{ name: t`queue`, isBar: true, points: quarters.map((one) => [one.start_ns, one.queue?.length_m ?? null, one.end_ns]) }],
    bins, fromNs, toNs, t`No queue was measured; this needs the camera's ground.`);
  const seen = bins.reduce((sum, bin) => sum + (bin[1] - bin[0]) * bin[2], 0) / Math.max(1, Math.min(toNs, body.now_ns) - fromNs);
  say($("well"), quarters.length ? t`${Math.round(seen * 100)} % of this stretch was analysed; pale where it was not.` : "");
  $("lines").replaceChildren(...lineRows(quarters, seen));
  const moved = movements(quarters);
  $("movements").replaceChildren(...moved.map(([from, to, count]) => el("tr", {}, el("td", {}, from), el("td", {}, to), el("td", { class: "num" }, String(count)))));
  $("movements-empty").hidden = moved.length > 0;
  $("incidents").replaceChildren(...body.incidents.slice().reverse().map(incidentRow));
  $("incidents-empty").hidden = body.incidents.length > 0;
}

function lineRows(quarters, seen) {
  const rows = new Map();
  for (const quarter of quarters) {
    for (const line of quarter.lines) {
      const row = rows.get(wayText(line)) || { line, vehicles: 0, people: 0, newest: null, speeds: null };
      row.vehicles += line.vehicles;
      row.people += line.counts.person || 0;
      if (line.vehicles) row.newest = line;
      if (line.speeds) row.speeds = line.speeds;
      rows.set(wayText(line), row);
    }
  }
  return [...rows.values()].map(({ line, vehicles, people, newest, speeds }) => el("tr", {},
    el("td", {}, line.line), el("td", {}, line.is_forward ? t`forward` : t`backward`),
    el("td", { class: "num" }, String(vehicles)), el("td", { class: "num" }, String(people)),
    el("td", { class: "num" }, `${Math.round(seen * 100)} %`),
    el("td", { class: "num" }, speeds ? `${speeds.v50_kmh.toFixed(0)} km/h` : "–"),
    el("td", { class: "num" }, speeds ? t`${speeds.v85_kmh.toFixed(0)} ± ${speeds.v85_error_kmh.toFixed(0)} km/h` : "–"),
    el("td", { class: "num" }, newest?.headway_s ? durationText(newest.headway_s) : "–"),
    el("td", { class: "num" }, newest?.level_of_service || "–")));
}

function movements(quarters) {
  const sums = new Map();
  for (const one of quarters.flatMap((quarter) => quarter.movements)) {
    if (one.object_class === "person") continue;
    const key = JSON.stringify([one.entry, one.exit]);
    sums.set(key, (sums.get(key) || 0) + one.count);
  }
  return [...sums].map(([key, count]) => [...JSON.parse(key), count]).sort((a, b) => b[2] - a[2]);
}

function incidentRow(one) {
  return el("tr", {},
    el("td", {}, `${dateText(one.start_ns)} ${clockText(one.start_ns)}`), el("td", {}, one.words), el("td", {}, one.road),
    el("td", {}, durationText((one.found_ns - one.start_ns) / 1e9)), el("td", { class: "muted" }, one.evidence));
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
