// The system page: processes, storage, cameras, warnings, every 2 s.
import { poll } from "./common.js";
import { $, bytesText, clockText, dateText, durationText, el, say } from "./dom.js";

function processRow(one) {
  const isWell = one.state === "running" || one.state === "starting";
  return el("tr", {},
    el("td", {}, el("b", {}, one.name), " ", el("span", { class: "muted" }, one.words)),
    el("td", {}, el("span", { class: `dot ${isWell ? "ok" : "bad"}` }), ` ${one.state}`,
      one.last_exit && !isWell ? el("span", { class: "muted" }, ` ${one.last_exit}`) : null),
    el("td", { class: "num" }, String(one.restarts)),
    el("td", { class: "num" }, durationText(one.cpu_s)),
    el("td", { class: "num" }, `${Math.round(one.rss_mb)} MB`),
    el("td", { class: "num" }, isWell ? durationText(one.uptime_s) : "–"));
}

function cameraRow(one) {
  return el("tr", {},
    el("td", {}, el("a", { href: `/cameras/${encodeURIComponent(one.camera_id)}` }, one.name)),
    el("td", {}, el("span", { class: `dot ${one.is_recording ? "ok" : one.state === "disabled" ? "" : "bad"}` }), ` ${one.words}`,
      one.detail ? el("span", { class: "muted" }, ` ${one.detail}`) : null),
    el("td", { class: "num" }, durationText(one.recorded_s)),
    el("td", { class: "num" }, durationText(one.gaps_s)),
    el("td", { class: "num" }, one.frames_decoded.toLocaleString()),
    el("td", { class: "num" }, one.frames_analysed.toLocaleString()),
    el("td", { class: "num" }, one.people.toLocaleString()),
    el("td", { class: "num" }, one.vehicles.toLocaleString()));
}

function showStorage(storage) {
  if (!storage) return;
  const own = storage.recordings_bytes / storage.total_bytes;
  const other = Math.max(0, 1 - own - storage.free_bytes / storage.total_bytes);
  $("meter-own").style.width = `${Math.max(own * 100, own > 0 ? 0.5 : 0)}%`;
  $("meter-other").style.width = `${other * 100}%`;
  $("meter").setAttribute("aria-label", `${bytesText(storage.free_bytes)} of ${bytesText(storage.total_bytes)} free`);
  const facts = [["Recordings", `${bytesText(storage.recordings_bytes)} in ${storage.recordings_files.toLocaleString()} files`],
    ["Free", bytesText(storage.free_bytes)], ["Disk", bytesText(storage.total_bytes)]];
  $("storage").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

function eventRow(one, nowNs) {
  const when = (ns) => `${dateText(ns)} ${clockText(ns)}`;
  return el("tr", {},
    el("td", {}, when(one.start_ns)),
    el("td", {}, el("span", { class: `dot ${one.end_ns ? "ok" : "bad"}` }), ` ${one.end_ns ? when(one.end_ns) : "lasts"}`),
    el("td", { class: "num" }, durationText(((one.end_ns || nowNs) - one.start_ns) / 1e9)),
    el("td", {}, one.words));
}

poll("/api/v1/system", 2, (system) => {
  $("processes").replaceChildren(...system.processes.map(processRow));
  $("cameras").replaceChildren(...system.cameras.map(cameraRow));
  $("cameras-empty").hidden = system.cameras.length > 0;
  $("events").replaceChildren(...system.events.map((one) => eventRow(one, system.now_ns)));
  $("events-empty").hidden = system.events.length > 0;
  $("warnings").replaceChildren(...system.warnings.map((text) => el("li", {}, text)));
  $("warnings").hidden = system.warnings.length === 0;
  say($("well"), system.warnings.length ? `${system.warnings.length} to look at` : "All is well.");
  showStorage(system.storage);
});
