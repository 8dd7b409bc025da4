// The review of several cameras: purpose first, then one cursor over their lanes, stills while dragging, playback on one
// clock, frame by frame, bookmarks.
import { alertLine, ask, nowNs, poll, showEvents } from "./common.js";
import { $, clockText, dateText, onSubmit, say } from "./dom.js";
import { Lanes } from "./lanes.js";
import { post } from "./post.js";
import { PurposeForm, remembered } from "./purpose.js";
import { Screen } from "./screen.js";
import { Conductor } from "./sync.js";
import { t } from "./words.js";

const MAX_SCREENS = 9; // each picture is a job of its own on the server
const FIRST_SCREENS = 4;
const PLAY_SPAN_NS = 3600e9; // what one press of Play asks for at most; the log says so
const LIVE_EDGE_NS = 2e9; // the newest picture that is surely on disk
const SEEK_MS = 33; // 30 pictures a second while dragging
const MAX_BINS = 720;
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

const root = $("review");
const names = new Map([...document.querySelectorAll("#lane-names button")].map((one) => [one.dataset.camera, one.textContent.trim()]));
const ids = [...names.keys()];
const query = new URLSearchParams(location.search);
const lanes = new Lanes($("lanes"), $("lanes-tip"));
const screens = new Map();
let purpose = null;
let conductor = null;
let speed = 1;
let leadId = ids[0] ?? "";
let isFollowing = !query.get("at");
let loadTimer = 0;
let loadCount = 0;
let seekTimer = 0;
let seekWanted = null;
let seekMs = 0;

// -- pictures -------------------------------------------------------------------------------------------

const laneOf = (id) => lanes.laneOf(id);

function newestNs() {
  const ends = (lanes.data?.lanes ?? []).map((lane) => lane.newest_ns).filter(Boolean);
  return ends.length ? Math.max(...ends) - LIVE_EDGE_NS : nowNs() - 5e9;
}

/** Why a camera has no picture of a moment; empty when it should have one. */
function absence(id, ns) {
  const lane = laneOf(id);
  if (!lane || ns < lanes.startNs || ns > lanes.endNs) return "";
  const gap = lanes.gapAt(lane, ns);
  if (gap) return t`Not recorded: ${gap.words}.`;
  return lanes.isRecorded(lane, ns) || ns > lane.newest_ns ? "" : t`Nothing was recorded here.`;
}

function addScreen(id) {
  if (screens.has(id) || screens.size >= MAX_SCREENS) return;
  const screen = new Screen({ id, name: names.get(id), purpose: () => purpose,
    newestNs: () => Math.max(laneOf(id)?.newest_ns ?? 0, nowNs() - 5e9) });
  screen.addEventListener("lead", () => setLead(id));
  screen.addEventListener("step", () => onStep(screen));
  screens.set(id, screen);
}

function arrange() {
  const shown = ids.filter((id) => screens.has(id));
  $("screens").replaceChildren(...shown.map((id) => screens.get(id).node));
  const columns = Math.ceil(Math.sqrt(shown.length || 1));
  $("screens").className = `screens cols-${columns} rows-${Math.ceil(shown.length / columns)}`;
  for (const button of document.querySelectorAll("#lane-names button")) {
    button.setAttribute("aria-pressed", String(screens.has(button.dataset.camera)));
    button.disabled = false;
  }
  setLead(screens.has(leadId) ? leadId : shown[0] ?? ids[0] ?? "");
}

function setLead(id) {
  leadId = id;
  lanes.leadId = id;
  for (const [other, screen] of screens) screen.node.classList.toggle("lead", other === id && screens.size > 1);
  say($("lead-name"), names.get(id) ?? "");
  lanes.draw();
}

$("lane-names").addEventListener("click", (event) => {
  const id = event.target.closest("button")?.dataset.camera;
  if (!id) return;
  pause(false);
  if (screens.has(id)) {
    screens.get(id).close();
    screens.delete(id);
  } else if (screens.size >= MAX_SCREENS) {
    alertLine("review", t`At most ${MAX_SCREENS} pictures are shown at once. Take another one away first.`);
    return;
  } else {
    addScreen(id);
    leadId = id;
  }
  alertLine("review", "");
  arrange();
  if (purpose) show(cursorNs());
});

const cursorNs = () => conductor?.nowNs ?? lanes.cursorNs ?? newestNs();

function moveTo(ns, options) {
  lanes.setCursor(ns, options);
  say($("moment"), `${dateText(ns)} ${clockText(ns, 2)}`);
}

/** All pictures of a moment, at most 30 times a second; the newest wish wins. */
function seek(ns, except = null) {
  if (!purpose) return;
  seekWanted = { ns, except };
  clearTimeout(seekTimer);
  const waitMs = seekMs + SEEK_MS - performance.now();
  if (waitMs > 0) seekTimer = setTimeout(sendSeek, waitMs);
  else sendSeek();
}

function sendSeek() {
  seekMs = performance.now();
  const { ns, except } = seekWanted;
  for (const [id, screen] of screens) {
    if (screen === except) continue;
    const words = absence(id, ns);
    if (words) screen.blank(words);
    else screen.seek(ns);
  }
}

/** What the lanes tell only now about the moment that is shown. */
function blankUnrecorded() {
  if (conductor || lanes.cursorNs === null || !purpose) return;
  for (const [id, screen] of screens) {
    const words = absence(id, lanes.cursorNs);
    if (words) screen.blank(words);
  }
}

function show(ns) {
  pause(false);
  moveTo(ns);
  seek(ns);
}

// -- playback -------------------------------------------------------------------------------------------

function play() {
  if (!purpose || conductor || !screens.size) return;
  clearTimeout(seekTimer);
  const fromNs = cursorNs();
  const parts = [...screens.values()].map((screen) => screen.newPart(speed, (player) => {
    const from = Math.round(player.shownNs ?? conductor?.nowNs ?? fromNs);
    const to = Math.round(Math.max(from + 1e9, Math.min(nowNs(), from + PLAY_SPAN_NS)));
    return { kind: "playback", from_ns: from, to_ns: to, speed, ...purpose };
  }));
  const current = new Conductor(parts, fromNs, speed);
  conductor = current;
  current.addEventListener("tick", () => { if (current === conductor) follow(); });
  current.addEventListener("over", () => {
    if (current !== conductor) return;
    pause(); // the last moment as stills, so that no film's last frame stands for it
    say($("play-note"), t`This is the end of what was asked for: an hour, or of what was recorded.`);
  });
  current.start();
  say($("play-note"), "");
  say($("play"), t`Pause`);
}

function follow() {
  const ns = conductor.nowNs;
  for (const [id, screen] of screens) screen.follow(absence(id, ns));
  root.dataset.driftMs = conductor.isRunning ? String(Math.round(conductor.driftMs)) : "";
  if (!lanes.isDragging) moveTo(ns);
}

function pause(isStillWanted = true) {
  if (!conductor) return;
  const ns = conductor.nowNs;
  conductor.stop();
  conductor = null;
  for (const screen of screens.values()) screen.endPart();
  say($("play"), t`Play`);
  root.dataset.driftMs = "";
  moveTo(ns);
  if (isStillWanted) seek(ns);
}

function setSpeed(wanted) {
  if (wanted === speed || !SPEEDS.includes(wanted)) return;
  speed = wanted;
  for (const button of $("speeds").children) button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === speed));
  if (!conductor) return;
  pause(false);
  play();
}

/** One frame of the leading camera; the others show what they recorded at that moment. */
function stepFrame(isForward) {
  const lead = screens.get(leadId);
  if (!lead || !purpose) return;
  if (conductor) {
    pause();
    return;
  }
  lead.step(isForward);
}

function onStep(screen) {
  if (screen.shownNs === null) return;
  moveTo(screen.shownNs);
  seek(screen.shownNs, screen);
}

const stepBy = (seconds) => show(Math.min(newestNs(), cursorNs() + seconds * 1e9));

function toMark(isForward) {
  const mark = lanes.markFrom(laneOf(leadId), cursorNs(), isForward);
  if (mark !== null) show(mark);
}

// -- purpose --------------------------------------------------------------------------------------------

const form = new PurposeForm((value) => {
  purpose = value;
  root.classList.toggle("has-purpose", value !== null);
  for (const button of document.querySelectorAll("[data-look]")) button.disabled = value === null || (button.id === "bookmark-open" && !$("bookmark-case").options.length);
  if (value) {
    show(lanes.cursorNs ?? newestNs());
    return;
  }
  pause(false);
  for (const screen of screens.values()) {
    screen.stills.close();
    screen.blank("");
  }
});

// -- lanes ----------------------------------------------------------------------------------------------

lanes.addEventListener("scrub", (event) => {
  const { isFinal, y } = event.detail;
  const ns = Math.min(event.detail.ns, newestNs());
  pause(false);
  const lane = y === null ? null : lanes.laneAt(y);
  if (lane) setLead(lane.camera_id);
  moveTo(ns, { isKeptInView: isFinal });
  const hold = lanes.holdAt(laneOf(leadId), ns);
  $("held").hidden = !hold;
  if (hold) say($("held"), t`Held as evidence until ${dateText(hold.expires_ns)} by ${hold.owner}: ${hold.reason}`);
  seek(ns);
});
lanes.addEventListener("window", () => {
  isFollowing = lanes.endNs >= nowNs() - lanes.spanNs * 0.02;
  for (const button of document.querySelectorAll("#zooms button")) {
    button.setAttribute("aria-pressed", String(Math.abs(Number(button.dataset.minutes) * 60e9 - lanes.spanNs) < 1e9));
  }
  clearTimeout(loadTimer);
  loadTimer = setTimeout(() => load().catch((error) => alertLine("lanes", error.message)), 120);
});

function lanesPath() {
  const from = Math.max(0, Math.round(lanes.startNs));
  const asked = new URLSearchParams({ from, to: Math.round(Math.max(lanes.endNs, from + 1e9)),
    bins: Math.min(MAX_BINS, Math.max(60, Math.round(lanes.canvas.clientWidth / 2))) });
  for (const id of ids) asked.append("camera", id);
  return `/api/v1/review?${asked}`;
}

async function load() {
  loadCount += 1;
  const mine = loadCount;
  const data = await ask(lanesPath());
  if (mine === loadCount) take(data);
  alertLine("lanes", "");
}

function take(data) {
  lanes.nowNs = data.now_ns;
  lanes.data = data;
  lanes.fit(data.lanes.length);
  lanes.draw();
  for (const id of data.not_shown) document.querySelector(`#lane-names li[data-camera="${CSS.escape(id)}"]`)?.remove();
  $("lanes-none").hidden = data.lanes.some((lane) => lane.recorded.length || lane.gaps.length);
  blankUnrecorded();
  if (lanes.cursorNs === null && data.lanes.some((lane) => lane.newest_ns)) {
    if (purpose) show(newestNs());
    else moveTo(newestNs());
  }
}

// -- bookmarks ------------------------------------------------------------------------------------------

function openBookmark() {
  if (!purpose || !$("bookmark-case").options.length) return;
  pause();
  $("bookmark").hidden = false;
  say($("bookmark-at"), `${names.get(leadId)}, ${dateText(cursorNs())} ${clockText(cursorNs(), 2)}`);
  if (purpose.purpose === "case") $("bookmark-case").value = purpose.reference;
  if (!$("bookmark-case").value) $("bookmark-case").selectedIndex = 0;
  $("bookmark-text").focus();
}

onSubmit($("bookmark"), async () => {
  const number = $("bookmark-case").value;
  const body = new FormData();
  body.set("text", $("bookmark-text").value);
  body.set("camera", leadId);
  body.set("moment_ns", String(BigInt(Math.round(cursorNs()))));
  try {
    await post(`/api/v1/cases/${encodeURIComponent(number)}/notes`, body);
    $("bookmark-text").value = "";
    $("bookmark").hidden = true;
    say($("bookmark-note"), t`Written down in case ${number}.`);
    lanes.canvas.focus({ preventScroll: true });
  } catch (error) {
    say($("bookmark-note"), error.message);
  }
});
$("bookmark-open").addEventListener("click", openBookmark);
$("bookmark-cancel").addEventListener("click", () => {
  $("bookmark").hidden = true;
  lanes.canvas.focus({ preventScroll: true });
});

// -- controls -------------------------------------------------------------------------------------------

const toggle = () => (conductor ? pause() : play());
$("play").addEventListener("click", toggle);
$("back10").addEventListener("click", () => stepBy(-10));
$("on10").addEventListener("click", () => stepBy(10));
$("frame-back").addEventListener("click", () => stepFrame(false));
$("frame-on").addEventListener("click", () => stepFrame(true));
$("now").addEventListener("click", goNow);
$("speeds").addEventListener("click", (event) => setSpeed(Number(event.target.dataset?.speed)));
$("zooms").addEventListener("click", (event) => {
  const minutes = Number(event.target.dataset?.minutes);
  if (!minutes) return;
  const atNs = isFollowing ? nowNs() : (lanes.cursorNs ?? lanes.endNs) + minutes * 30e9;
  lanes.setWindow(Math.max(atNs, 0), minutes * 60e9);
});
$("choose").addEventListener("submit", () => { $("choose-at").value = isFollowing ? "" : String(Math.round(cursorNs())); });

function goNow() {
  isFollowing = true;
  lanes.nowNs = nowNs();
  lanes.setWindow(nowNs() + lanes.spanNs * 0.03);
  show(newestNs());
}

const faster = (by) => setSpeed(SPEEDS[SPEEDS.indexOf(speed) + by]);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("bookmark").hidden) {
    $("bookmark-cancel").click();
    return;
  }
  if (event.target.closest("input, select, textarea, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.closest("button, a")) return;
  if (/^[1-9]$/.test(event.key)) {
    const id = ids.filter((one) => screens.has(one))[Number(event.key) - 1];
    if (id) setLead(id);
    return;
  }
  const actions = {
    ArrowLeft: () => stepBy(event.shiftKey ? -10 : -1), ArrowRight: () => stepBy(event.shiftKey ? 10 : 1),
    ArrowDown: () => stepBy(-10), ArrowUp: () => stepBy(10),
    ",": () => stepFrame(false), ".": () => stepFrame(true), "[": () => faster(-1), "]": () => faster(1),
    n: () => toMark(true), p: () => toMark(false), b: openBookmark,
    " ": toggle, End: goNow, Home: () => show(lanes.startNs),
    "+": () => lanes.zoom(0.5), "=": () => lanes.zoom(0.5), "-": () => lanes.zoom(2),
    Escape: () => location.assign("/"),
  };
  const action = actions[event.key];
  if (!action || ((event.key === "ArrowUp" || event.key === "ArrowDown") && event.target.id !== "lanes")) return;
  event.preventDefault();
  action();
});
// after a click with the mouse the keys belong to the lanes again; who came by keyboard stays where they are
document.addEventListener("click", (event) => {
  if (event.detail > 0 && event.target.closest(".controls button")) lanes.canvas.focus({ preventScroll: true });
});
addEventListener("pagehide", () => {
  conductor?.stop();
  for (const screen of screens.values()) screen.close();
});

// -- start ----------------------------------------------------------------------------------------------

if (ids.length) {
  lanes.nowNs = nowNs();
  lanes.fit(ids.length);
  ids.slice(0, FIRST_SCREENS).forEach(addScreen);
  arrange();
  const at = Number(query.get("at"));
  if (at > 0) {
    lanes.setWindow(at + 300e9, 600e9);
    lanes.setCursor(at);
  } else {
    lanes.setWindow(nowNs() + lanes.spanNs * 0.03);
  }
  const fromCase = query.get("purpose") === "case" && query.get("reference") ? { purpose: "case", reference: query.get("reference") } : null;
  form.set(fromCase ?? remembered());
  poll(() => {
    if (isFollowing && !lanes.isDragging) {
      lanes.nowNs = nowNs();
      lanes.endNs = nowNs() + lanes.spanNs * 0.03;
    }
    return lanesPath();
  }, 4, (data) => { if (isFollowing || data.to_ns === Math.round(lanes.endNs)) take(data); });
}
poll("/api/v1/status", 5, (status) => {
  alertLine("warnings", status.warnings.join(" "));
  showEvents(status.events, status.now_ns);
});
