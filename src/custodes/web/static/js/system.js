// The system page: processes, storage, cameras, warnings, every 2 s.
import { poll } from "./common.js";
import { $, bytesText, cameraPage, clockText, dateText, durationText, el, say, shortDateText, svg } from "./dom.js";
import { fixed, t, whole } from "./words.js";

function processRow(one) {
  const isWell = one.state === "running" || one.state === "starting";
  return el("tr", {},
    el("td", {}, el("b", {}, one.name), " ", el("span", { class: "muted" }, one.words)),
    el("td", { class: "unbroken" }, el("span", { class: `dot ${isWell ? "ok" : "bad"}` }), ` ${one.state_words}`,
      one.last_exit && !isWell ? el("span", { class: "muted" }, ` ${one.last_exit}`) : null),
    el("td", { class: "num" }, String(one.restarts)),
    el("td", { class: "num" }, durationText(one.cpu_s)),
    el("td", { class: "num" }, `${Math.round(one.rss_mb)} MB`),
    el("td", { class: "num" }, isWell ? durationText(one.uptime_s) : "–"));
}

function recorderRow(one) {
  return el("tr", {},
    el("td", {}, el("b", {}, one.name)),
    el("td", {}, el("span", { class: `dot ${one.is_well ? "ok" : "bad"}` }), ` ${one.words}`),
    el("td", { class: "num" }, whole(one.cameras)),
    el("td", { class: "num" }, whole(Math.round(one.packets_per_s))),
    el("td", {}, one.named.join(", ")));
}

function replicaRow(one) {
  return el("tr", {},
    el("td", {}, el("b", {}, one.name)),
    el("td", {}, el("span", { class: `dot ${one.is_connected ? "ok" : "bad"}` }), ` ${one.is_connected ? t`follows` : one.trouble}`),
    el("td", { class: "num" }, one.behind === null ? "–" : whole(one.behind)),
    el("td", {}, one.seen_ns ? `${dateText(one.seen_ns)} ${clockText(one.seen_ns)}` : "–"));
}

function showStanding(standing) {
  $("standing-panel").hidden = !standing;
  if (!standing) return;
  const parts = [standing.leader ? t`${standing.leader} leads, in tenure ${standing.epoch}.` : "",
    standing.replicas.length ? (standing.is_synchronous ? t`Nothing is acknowledged before each replica has it.` : t`Replicas follow; nothing waits for them.`) : "", standing.trouble];
  say($("leader"), parts.filter(Boolean).join(" "));
  $("replicas-table").hidden = !standing.replicas.length;
  $("replicas").replaceChildren(...standing.replicas.map(replicaRow));
}

function cameraRow(one) {
  return el("tr", {},
    el("td", {}, el("a", { href: cameraPage(one.camera_id) }, one.name)),
    el("td", {}, el("span", { class: `dot ${one.is_recording ? "ok" : one.state === "disabled" ? "" : "bad"}` }), ` ${one.words}`,
      one.detail_words ? el("span", { class: "muted" }, ` ${one.detail_words}`) : null),
    el("td", { class: "num" }, durationText(one.recorded_s)),
    el("td", { class: "num" }, durationText(one.gaps_s)),
    el("td", { class: "num" }, whole(one.frames_decoded)),
    el("td", { class: "num" }, whole(one.frames_analysed)),
    el("td", { class: "num" }, whole(one.people)),
    el("td", { class: "num" }, whole(one.vehicles)));
}

function showStorage(storage) {
  if (!storage) return;
  const own = storage.recordings_bytes / storage.total_bytes;
  const other = Math.max(0, 1 - own - storage.free_bytes / storage.total_bytes);
  $("meter-own").style.width = `${Math.max(own * 100, own > 0 ? 0.5 : 0)}%`;
  $("meter-other").style.width = `${other * 100}%`;
  $("meter").setAttribute("aria-label", t`${bytesText(storage.free_bytes)} of ${bytesText(storage.total_bytes)} free`);
  const facts = [[t`Recordings`, t`${bytesText(storage.recordings_bytes)} in ${whole(storage.recordings_files)} files`],
    [t`Free`, bytesText(storage.free_bytes)], [t`Disk`, bytesText(storage.total_bytes)]];
  $("storage").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function eventRow(one, nowNs) {
  const when = (ns) => `${dateText(ns)} ${clockText(ns)}`;
  return el("tr", {},
    el("td", {}, when(one.start_ns)),
    el("td", {}, el("span", { class: `dot ${one.end_ns ? "ok" : "bad"}` }), ` ${one.end_ns ? when(one.end_ns) : t`lasts`}`),
    el("td", { class: "num" }, durationText(((one.end_ns || nowNs) - one.start_ns) / 1e9)),
    el("td", {}, one.words));
}

poll("/api/v1/system", 2, (system) => {
  $("processes").replaceChildren(...system.processes.map(processRow));
  $("recorders").replaceChildren(...system.recorders.map(recorderRow));
  $("recorders-panel").hidden = system.recorders.length === 0;
  showStanding(system.standing);
  $("cameras").replaceChildren(...system.cameras.map(cameraRow));
  $("cameras-empty").hidden = system.cameras.length > 0;
  $("events").replaceChildren(...system.events.map((one) => eventRow(one, system.now_ns)));
  $("events-empty").hidden = system.events.length > 0;
  $("warnings").replaceChildren(...system.warnings.map((text) => el("li", {}, text)));
  $("warnings").hidden = system.warnings.length === 0;
  say($("well"), system.warnings.length ? t`${system.warnings.length} to look at` : t`All is well.`);
  showStorage(system.storage);
});

// -- forecast and upkeep: measured at most every five minutes, so asked for once a minute -------------------

const UPKEEP_EVERY_S = 60;
const PLOT = { height: 170, left: 58, base: 142, top: 16 };

/** Bytes of recordings over the days to come, and the line that they must not cross. */
function drawForecast(node, growth, available) {
  const width = Math.max(280, node.clientWidth || 700);
  const { height, left, base, top } = PLOT;
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const first = growth[0][0];
  const last = Math.max(growth[growth.length - 1][0], first + 86400e9);
  const most = Math.max(available, ...growth.map((one) => one[1]), 1);
  const x = (ns) => left + ((ns - first) / (last - first)) * (width - left - 8);
  const y = (bytes) => base - (bytes / most) * (base - top);
  const parts = [0, 0.5, 1].flatMap((share) => [
    svg("line", { x1: left, x2: width - 8, y1: y(most * share), y2: y(most * share), class: "grid" }),
    svg("text", { x: left - 6, y: y(most * share) + 4, class: "axis end" }, bytesText(most * share))]);
  const points = [...growth, [last, growth[growth.length - 1][1]]];
  parts.push(svg("path", { class: "series-0 stroke", d: `M${points.map(([ns, bytes]) => `${x(ns).toFixed(1)},${y(bytes).toFixed(1)}`).join("L")}` }));
  parts.push(svg("line", { x1: left, x2: width - 8, y1: y(available), y2: y(available), class: "limit" }),
    svg("text", { x: width - 10, y: y(available) - 5 < 12 ? y(available) + 13 : y(available) - 5, class: "axis end" }, `room: ${bytesText(available)}`));
  const ticks = Math.max(2, Math.min(6, Math.floor(width / 130)));
  for (let tick = 0; tick <= ticks; tick += 1) {
    const ns = first + ((last - first) * tick) / ticks;
    const words = (last - first) < 3 * 86400e9 ? `${shortDateText(ns)} ${clockText(ns).slice(0, 5)}` : shortDateText(ns);
    parts.push(svg("text", { x: Math.min(Math.max(x(ns), left), width - 8), y: height - 10, class: `axis${tick === ticks ? " end" : ""}` }, words));
  }
  node.replaceChildren(...parts);
}

const daysText = (days) => (days < 2 ? durationText(days * 86400) : t`${fixed(days, days < 10 ? 1 : 0)} days`);

function showForecast(upkeep) {
  const found = upkeep.storage;
  const has = Boolean(found && found.bytes_per_day);
  $("forecast-plot").toggleAttribute("hidden", !has);
  $("forecast-table").hidden = !has || found.streams.length === 0;
  if (!has) return say($("forecast-said"), upkeep.storage_problem || t`Too little was recorded in the last day to forecast from.`);
  const rate = t`${bytesText(found.bytes_per_day)} a day.`;
  const longestS = Math.max(0, ...found.streams.map((one) => one.measured_s));
  const early = longestS && longestS < 6 * 3600 ? t` This rests on ${durationText(longestS)} of recording; look again tomorrow.` : "";
  const further = early + (upkeep.has_slow_disk ? t` What has moved to the slower disk is not in this: it is about the recorder's own.` : "");
  say($("forecast-said"), (found.full_ns === null
    ? t`Recordings fit: ${rate} All that is to be kept takes ${bytesText(found.needed_bytes)}, and there is room for ${bytesText(found.available_bytes)}.`
    : t`The room is used up on ${dateText(found.full_ns)} about ${clockText(found.full_ns).slice(0, 5)}: ${rate} From then on the oldest recordings go before their time, about ${daysText(found.reach_days)} old. To keep all, ${bytesText(found.needed_bytes)} are needed; there is room for ${bytesText(found.available_bytes)}.`) + further);
  drawForecast($("forecast-plot"), found.growth, found.available_bytes);
  $("forecast-plot").setAttribute("aria-label", $("forecast-said").textContent);
  $("forecast-rows").replaceChildren(...found.streams.map((one) => el("tr", {},
    el("td", {}, one.name),
    el("td", { class: "num" }, bytesText(one.bytes_per_day)),
    el("td", { class: "num" }, one.kept_h < 48 ? t`${one.kept_h} h` : daysText(one.kept_h / 24)),
    el("td", { class: "num" }, bytesText(one.bytes_per_day * one.kept_h / 24)),
    el("td", { class: "num" }, durationText(one.measured_s)))));
}

const OVERDUE_NS = 7 * 86400e9;
function backupWords(upkeep) {
  const { backup } = upkeep;
  if (!backup) return [upkeep.backup_problem, "bad"];
  if (backup.made_ns === null) {
    return [backup.since_ns === null ? t`never, by the log; custodes backup make makes one` : t`none since ${dateText(backup.since_ns)}, as far as was looked; custodes backup make makes one`, "bad"];
  }
  const ago = upkeep.now_ns - backup.made_ns;
  return [t`${dateText(backup.made_ns)} ${clockText(backup.made_ns)}, ${durationText(ago / 1e9)} ago`, ago > OVERDUE_NS ? "bad" : "ok"];
}

poll("/api/v1/upkeep", UPKEEP_EVERY_S, (upkeep) => {
  showForecast(upkeep);
  const [words, mood] = backupWords(upkeep);
  const rows = [[t`Last backup begun`, el("span", {}, el("span", { class: `dot ${mood}` }), ` ${words}`)],
    ...upkeep.models.map((one) => [t`Network that ${one.task}`, t`${one.name}, run by ${one.runtime}`])];
  $("upkeep").replaceChildren(...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
});
