// A camera's page: purpose first, then timeline, stills while dragging, playback, tracks, counts.
import { alertLine, ask, nowNs, poll, showEvents } from "./common.js";
import { drawChart, drawGate } from "./chart.js";
import { $, clockText, dateText, durationText, el, say } from "./dom.js";
import { Player } from "./player.js";
import { PurposeForm, remembered } from "./purpose.js";
import { Stills } from "./stills.js";
import { PersonPicker } from "./subject.js";
import { Timeline } from "./timeline.js";
import { plural, t } from "./words.js";

const PLAY_SPAN_NS = 3600e9; // what one press of Play asks for at most; the log says so
const LIVE_EDGE_NS = 2e9; // the newest picture that is surely on disk
const ROWS_SHOWN = 400;

const root = $("camera");
const id = root.dataset.camera;
let stream = "first";
const reviewPath = () => `/api/v1/cameras/${encodeURIComponent(id)}/review?stream=${stream}`;
const timeline = new Timeline($("timeline"), $("timeline-tip"));
const stills = new Stills({ path: reviewPath(), purpose: () => purpose, newestNs: () => nowNs() });
const video = $("video");
const still = $("still");
const person = new PersonPicker({ camera: id, still });
let player = null;
let purpose = null;
let speed = 1;
let isFollowing = true; // the window's end moves with the clock
let loadTimer = 0;
let loadCount = 0;
let stillUrl = "";

// -- purpose ------------------------------------------------------------------------------------------

const form = new PurposeForm((value) => {
  purpose = value;
  person.use(value);
  root.classList.toggle("has-purpose", value !== null);
  for (const button of document.querySelectorAll(".controls button[id]")) button.disabled = value === null && button.id !== "now" && button.id !== "why";
  if (value) {
    show(timeline.cursorNs ?? newestNs());
    $("timeline").focus({ preventScroll: true });
    return;
  }
  pause(false);
  stills.close();
  still.hidden = true;
  note("");
  $("reference").focus();
});

// -- pictures -------------------------------------------------------------------------------------------

function newestNs() {
  const recorded = timeline.data?.recorded;
  return recorded?.length ? recorded.at(-1)[1] - LIVE_EDGE_NS : nowNs() - 5e9;
}

function wholeMaskWords() {
  return stream === "second" ? t`Whole picture masked: nobody has analysed this moment of the second stream`
    : t`Whole picture masked: nobody has analysed this moment`;
}

function note(text) {
  $("stage-note").hidden = !text;
  say($("stage-note"), text);
}

function show(ns) {
  pause(false);
  moveTo(ns);
  if (purpose) stills.seek(ns);
}

function moveTo(ns) {
  timeline.setCursor(ns);
  say($("moment"), `${dateText(ns)} ${clockText(ns, 1)}`);
}

stills.addEventListener("still", (event) => {
  if (player) return;
  const { blob, utc_ns: utcNs, is_fully_masked: isFullyMasked } = event.detail;
  if (stillUrl) URL.revokeObjectURL(stillUrl);
  stillUrl = URL.createObjectURL(blob);
  still.src = stillUrl;
  still.alt = t`Masked picture of ${clockText(utcNs)}`;
  still.hidden = false;
  video.hidden = true;
  person.at(utcNs).catch((error) => note(error.message));
  say($("moment"), `${dateText(utcNs)} ${clockText(utcNs, 1)}`);
  note(isFullyMasked ? wholeMaskWords() : "");
});
stills.addEventListener("note", (event) => note(event.detail.message));
stills.addEventListener("refused", (event) => note(event.detail.message));

function play() {
  if (!purpose || player) return;
  stills.close();
  person.clear();
  const fromNs = timeline.cursorNs ?? newestNs();
  player = new Player(video, {
    path: reviewPath(),
    isLive: false,
    speed,
    opening: () => {
      const from = Math.round(player?.shownNs ?? fromNs);
      const to = Math.round(Math.max(from + 1e9, Math.min(nowNs(), from + PLAY_SPAN_NS, purpose.limits?.[1] ?? Infinity)));
      const { limits, ...why } = purpose;
      return { kind: "playback", from_ns: Math.max(from, Math.ceil(limits?.[0] ?? 0)), to_ns: to, speed, ...why };
    },
  });
  const current = player;
  player.addEventListener("state", () => showPlayback(current));
  player.addEventListener("note", (event) => note(event.detail.message));
  player.start();
  say($("play"), t`Pause`);
  note(t`Opening`);
}

function showPlayback(current) {
  if (current !== player) return;
  if (current.state === "playing") {
    note(current.isFullyMasked ? wholeMaskWords() : "");
  } else if (current.state === "refused") {
    const message = current.message;
    pause(false);
    note(message);
  } else if (current.state === "ended") {
    finish(current);
  } else if (current.message) {
    note(current.message);
  }
}

/** The job has sent all; what is buffered is still played. */
function finish(current) {
  const done = () => {
    if (current !== player) return;
    pause(true);
    note(current.message || t`This is the end of what was recorded.`);
  };
  if (video.ended || !video.buffered.length) done();
  else video.addEventListener("ended", done, { once: true });
}

function pause(isStillWanted = true) {
  if (!player) return;
  const shown = player.shownNs;
  player.stop();
  video.pause();
  player = null;
  say($("play"), t`Play`);
  if (shown !== null) moveTo(shown);
  if (isStillWanted && purpose) stills.seek(shown ?? timeline.cursorNs ?? newestNs());
}

function follow() {
  if (player) {
    const shown = player.shownNs;
    if (shown !== null && !video.paused) {
      if (video.hidden && video.readyState >= 2) {
        video.hidden = false;
        still.hidden = true;
      }
      if (!timeline.isDragging) moveTo(shown);
    }
  }
  requestAnimationFrame(follow);
}
requestAnimationFrame(follow);

// -- timeline -------------------------------------------------------------------------------------------

timeline.addEventListener("scrub", (event) => {
  // the last seconds are still on their way to the disk: the newest picture stands for them
  const ns = timeline.data?.recorded.length ? Math.min(event.detail.ns, newestNs()) : event.detail.ns;
  pause(false);
  say($("moment"), `${dateText(ns)} ${clockText(ns, 1)}`);
  timeline.setCursor(ns, { isKeptInView: event.detail.isFinal });
  const gap = timeline.gapAt(ns);
  if (gap) note(t`Not recorded: ${gap.words}.`);
  else if (timeline.data && !timeline.isRecorded(ns)) note(t`Nothing was recorded here.`);
  const hold = timeline.holdAt(ns);
  $("held").hidden = !hold;
  if (hold) say($("held"), t`Held as evidence until ${dateText(hold.expires_ns)} by ${hold.owner}: ${hold.reason}`);
  if (purpose && timeline.isRecorded(ns)) stills.seek(ns);
});
timeline.addEventListener("window", () => {
  isFollowing = timeline.endNs >= nowNs() - timeline.spanNs * 0.02;
  for (const button of document.querySelectorAll("#zooms button")) {
    button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.minutes) * 60e9 - timeline.spanNs) < 1e9));
  }
  clearTimeout(loadTimer);
  loadTimer = setTimeout(() => load().catch((error) => alertLine("timeline", error.message)), 120);
});

const timelinePath = () => {
  const from = Math.max(0, Math.round(timeline.startNs));
  return `/api/v1/cameras/${encodeURIComponent(id)}/timeline?from=${from}&to=${Math.round(Math.max(timeline.endNs, from + 1))}&stream=${stream}`;
};

async function load() {
  loadCount += 1;
  const mine = loadCount;
  const data = await ask(timelinePath());
  if (mine === loadCount) take(data);
  alertLine("timeline", "");
}

function take(data) {
  timeline.nowNs = data.now_ns;
  timeline.data = data;
  timeline.draw();
  drawChart($("chart"), data.counts, data.from_ns, data.to_ns);
  drawGate($("gate-chart"), data.gate, data.from_ns, data.to_ns);
  $("lines-panel").hidden = data.lines.length === 0;
  const crossed = (way) => `${plural(way.people, "person", "people")}, ${plural(way.vehicles, "vehicle", "vehicles")}`;
  $("lines").replaceChildren(...data.lines.map((line) =>
    el("li", {}, t`${line.line}: ${crossed(line.forward)} forward · ${crossed(line.backward)} backward`)));
  say($("bin-words"), data.counts.bin_ns === 60e9 ? t`minute` : t`${data.counts.bin_ns / 60e9} minutes`);
  showTracks(data);
  if (timeline.cursorNs === null && data.recorded.length) {
    if (purpose) show(newestNs());
    else moveTo(newestNs());
  }
}

let shownTracks = "";
function showTracks(data) {
  const people = data.tracks.filter((track) => track.lane === "people").length;
  const vehicles = data.tracks.filter((track) => track.lane === "vehicles").length;
  say($("track-sum"), `${plural(people, "person", "people")}, ${plural(vehicles, "vehicle", "vehicles")}${data.is_truncated ? t` (more exist)` : ""}`);
  const newest = data.tracks.slice(-ROWS_SHOWN).reverse();
  const mark = newest.map((track) => `${track.run}${track.track_id}${track.frames}`).join();
  $("tracks-empty").hidden = newest.length > 0;
  if (mark === shownTracks) return;
  shownTracks = mark;
  $("tracks").replaceChildren(...newest.map((track) => el("tr", {},
    el("td", {}, el("button", { type: "button", class: "link", title: t`Show this moment`,
      onclick: () => show((track.start_ns + track.end_ns) / 2) }, clockText(track.start_ns))),
    el("td", {}, durationText((track.end_ns - track.start_ns) / 1e9)),
    el("td", {}, el("span", { class: `chip ${track.lane}` }), track.words),
    el("td", { class: "num" }, String(track.frames)))));
}

// -- controls -------------------------------------------------------------------------------------------

const step = (seconds) => show(Math.min(nowNs(), (player?.shownNs ?? timeline.cursorNs ?? newestNs()) + seconds * 1e9));
const toggle = () => (player ? pause() : play());
$("export").addEventListener("click", () => {
  const query = new URLSearchParams({ camera: id, stream, from: Math.round(timeline.startNs), to: Math.round(Math.min(timeline.endNs, nowNs())) });
  if (purpose?.purpose === "case") query.set("reference", purpose.reference);
  $("export").href = `/exports?${query}`;
});
$("play").addEventListener("click", toggle);
$("back10").addEventListener("click", () => step(-10));
$("on10").addEventListener("click", () => step(10));
$("now").addEventListener("click", goNow);
$("zooms").addEventListener("click", (event) => {
  const minutes = Number(event.target.dataset?.minutes);
  if (!minutes) return;
  const atNs = isFollowing ? nowNs() : (timeline.cursorNs ?? timeline.endNs) + minutes * 30e9;
  timeline.setWindow(Math.max(atNs, 0), minutes * 60e9);
});
$("speeds").addEventListener("click", (event) => {
  const wanted = Number(event.target.dataset?.speed);
  if (!wanted || wanted === speed) return;
  speed = wanted;
  for (const button of $("speeds").children) button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === speed));
  if (player) {
    pause(false);
    play();
  }
});

/** What covers the moment that is shown: from what was analysed, so that no picture is opened for it. */
async function why() {
  const ns = Math.round(player?.shownNs ?? timeline.cursorNs ?? newestNs());
  try {
    const answer = await ask(`/api/v1/cameras/${encodeURIComponent(id)}/masks?at=${ns}&stream=${stream}`);
    say($("reasons-at"), `${dateText(ns)} ${clockText(ns, 1)}`);
    const rows = answer.reasons.map((one) => el("li", {}, one.count > 1 ? `${one.count} ×: ${one.words}` : one.words));
    $("reason-list").replaceChildren(...(rows.length ? rows : [el("li", {}, t`Nothing is covered at this moment.`)]));
    $("reasons-ask").hidden = !answer.ask;
    if (answer.ask) $("reasons-link").href = answer.ask;
    $("reasons").hidden = false;
    alertLine("reasons", "");
  } catch (error) {
    alertLine("reasons", error.message);
  }
}
$("why").addEventListener("click", why);
document.getElementById("streams")?.addEventListener("click", (event) => {
  const wanted = event.target.dataset?.stream;
  if (!wanted || wanted === stream) return;
  pause(false);
  stills.close();
  still.hidden = true;
  note("");
  stream = wanted;
  stills.path = reviewPath();
  for (const button of $("streams").children) button.setAttribute("aria-pressed", String(button.dataset.stream === stream));
  load().then(() => { if (purpose) show(timeline.cursorNs ?? newestNs()); }, (error) => alertLine("timeline", error.message));
});

function goNow() {
  isFollowing = true;
  timeline.nowNs = nowNs();
  timeline.setWindow(nowNs() + timeline.spanNs * 0.03);
  show(newestNs());
}

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.closest("button, a")) return;
  const actions = {
    ArrowLeft: () => step(event.shiftKey ? -10 : -1), ArrowRight: () => step(event.shiftKey ? 10 : 1),
    ArrowDown: () => step(-10), ArrowUp: () => step(10),
    " ": toggle, End: goNow, w: why, Home: () => show(timeline.startNs),
    "+": () => timeline.zoom(0.5), "=": () => timeline.zoom(0.5), "-": () => timeline.zoom(2),
    Escape: () => location.assign("/"),
  };
  const action = actions[event.key];
  if (!action || ((event.key === "ArrowUp" || event.key === "ArrowDown") && event.target.id !== "timeline")) return;
  event.preventDefault();
  action();
});
// after a click with the mouse the keys belong to the timeline again; who came by keyboard stays where they are
document.addEventListener("click", (event) => {
  if (event.detail > 0 && event.target.closest(".controls button, .tracks button")) timeline.canvas.focus({ preventScroll: true });
});
addEventListener("pagehide", () => { stills.close(); player?.stop(); });
addEventListener("resize", () => { if (timeline.data) drawChart($("chart"), timeline.data.counts, timeline.data.from_ns, timeline.data.to_ns); });

timeline.nowNs = nowNs();
timeline.setWindow(nowNs() + timeline.spanNs * 0.03);
poll(() => {
  if (isFollowing && !timeline.isDragging) {
    timeline.nowNs = nowNs();
    timeline.endNs = nowNs() + timeline.spanNs * 0.03;
  }
  return timelinePath();
}, 2, (data) => { if (data.to_ns === Math.round(timeline.endNs) || isFollowing) take(data); });
poll("/api/v1/status", 2, (status) => {
  const row = status.cameras.find((camera) => camera.camera_id === id);
  if (!row) return;
  $("state").replaceChildren(el("span", { class: `dot ${row.is_recording ? "ok" : "bad"}` }),
    t` ${row.words}${row.detail_words ? `: ${row.detail_words}` : ""} · ${durationText(row.recorded_s)} recorded`);
  $("camera-clock").textContent = [row.second_words, row.clock_words, row.signature_words].filter(Boolean).join(" · ");
  say($("gate"), row.gate_words || t`No analyser speaks of this camera.`);
  $("gate-changes").replaceChildren(...row.gate_changes.slice(-8).reverse().map((change) =>
    el("li", {}, `${dateText(change.utc_ns)} ${clockText(change.utc_ns)} — ${change.words}`)));
  alertLine("warnings", status.warnings.join(" "));
  showEvents(status.events, status.now_ns);
});

/** A look that rests on an approved request brings its purpose, interval and fidelity in the address. */
function fromRequest() {
  const query = new URLSearchParams(location.search);
  if (!query.get("request")) return fromCase(query);
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  timeline.setWindow(to + (to - from) * 0.05, Math.max((to - from) * 1.1, 60e9));
  timeline.setCursor(from + 1e9);
  const only = (query.get("only") ?? "").split(" ").filter(Boolean).map((one) => {
    const [run, track] = one.split("/");
    return { run, track_id: Number(track) };
  });
  return { purpose: query.get("purpose"), reference: query.get("reference"), fidelity: query.get("fidelity"),
    request_id: query.get("request"), ...(only.length ? { only } : {}), limits: [from, to] };
}

/** A look that a case's page or the review leads to: perhaps a moment, and a case's number. */
function fromCase(query) {
  const at = Number(query.get("at"));
  if (at > 0) {
    timeline.setWindow(at + 300e9, 600e9);
    timeline.setCursor(at);
  }
  if (query.get("purpose") !== "case" || !query.get("reference")) return null;
  return { purpose: "case", reference: query.get("reference") };
}

form.set(fromRequest() ?? remembered());
