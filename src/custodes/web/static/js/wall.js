// The wall: one tile per camera, each with its own live view.
import { alertLine, poll, showEvents, showWarnings } from "./common.js";
import { $, cameraPage, el, onSubmit, plural, say } from "./dom.js";
import { Player } from "./player.js";
import { SIZES, WallLayout } from "./wall_layout.js";
import { fixed, t } from "./words.js";

const HIDDEN_STOP_MS = 30_000; // a wall nobody can see watches nothing
const CHANGE_AFTER = 3; // polls; a stream that is away for a moment does not change the view, which costs a job and a log entry
const STANDSTILL_MS = 3000; // pictures arrive and none is shown: the browser does not keep up, and the tile says so
const LATE_S = 3;
const tiles = new Map();
const layout = new WallLayout($("stage").dataset.person);

/** Who may not is not asked for each tile: a refusal is an entry of the log. */
const MAY_WATCH = $("stage").hasAttribute("data-may-watch");

class Tile {
  constructor(camera) {
    this.id = camera.camera_id;
    this.video = el("video", { muted: true, playsinline: true, tabindex: "-1", "aria-hidden": "true" });
    this.video.muted = true;
    this.key = el("kbd", {});
    this.dot = el("span", { class: "dot" });
    this.name = el("span", { class: "tile-name" });
    this.streamTag = el("span", { class: "muted", title: t`The smaller picture of this camera` });
    this.state = el("span", { class: "tile-state" });
    this.people = el("span", { class: "count people" });
    this.vehicles = el("span", { class: "count vehicles" });
    this.delay = el("span", { class: "tile-delay" });
    this.health = el("span", { class: "tile-health" });
    this.veil = el("div", { class: "veil" }, el("p", {}), el("p", { class: "veil-detail" }));
    this.note = el("p", { class: "tile-note", hidden: true });
    this.link = el("a", { class: "tile", href: cameraPage(this.id) },
      el("div", { class: "picture" }, this.video, this.veil, this.note),
      el("div", { class: "caption" },
        el("div", { class: "caption-row" }, this.key, this.name, this.streamTag, this.health, this.delay),
        el("div", { class: "caption-row" }, this.dot, this.state, el("span", { class: "counts" }, this.people, this.vehicles))));
    this.stream = camera.wall;
    this.changes = 0;
    this.player = new Player(this.video, { path: this.path(), isLive: true });
    this.player.addEventListener("state", () => this.showPlayer());
    this.player.addEventListener("tick", () => { this.measure(); this.showPlayer(); });
    this.shownAt = { time: -1, ms: 0 };
    this.arrived = { chunks: 0, ms: 0, fps: null };
    this.player.addEventListener("note", (event) => { this.lastNote = event.detail; });
    this.isVisible = false;
    this.camera = camera;
    this.show(camera);
    this.showPlayer();
  }

  path() {
    return `/api/v1/cameras/${encodeURIComponent(this.id)}/live?max_height_px=720&stream=${this.stream}`;
  }

  choose() {
    this.changes = this.camera.wall === this.stream ? 0 : this.changes + 1;
    if (!this.changes || (this.changes < CHANGE_AFTER && this.player.state !== "closed")) return;
    this.stream = this.camera.wall;
    this.changes = 0;
    this.player.stop();
    this.player.path = this.path();
  }

  show(camera) {
    this.camera = camera;
    say(this.name, camera.name);
    say(this.state, camera.detail_words && camera.state !== "recording" ? `${camera.words}: ${camera.detail_words}` : camera.words);
    this.state.title = camera.detail_words;
    this.dot.className = `dot ${camera.is_recording ? "ok" : camera.state === "starting" || camera.state === "disabled" ? "" : "bad"}`;
    say(this.people, `${camera.live_people} / ${camera.people}`);
    say(this.vehicles, `${camera.live_vehicles} / ${camera.vehicles}`);
    this.people.title = t`${camera.live_people} people now, ${camera.people} so far`;
    this.vehicles.title = t`${camera.live_vehicles} vehicles now, ${camera.vehicles} so far`;
    this.choose();
    this.link.dataset.stream = this.stream;
    say(this.streamTag, this.stream === "second" ? "2nd" : "");
    const words = t`${camera.name}. ${camera.words}. ${plural(camera.live_people, "person", "people")} and ${plural(camera.live_vehicles, "vehicle", "vehicles")} now.`;
    if (this.link.getAttribute("aria-label") !== words) this.link.setAttribute("aria-label", words);
  }

  /** Twice a second: whether the picture moves, and how many arrive in a second. */
  measure() {
    const ms = performance.now();
    const { currentTime } = this.video;
    if (currentTime !== this.shownAt.time) this.shownAt = { time: currentTime, ms };
    const passedMs = ms - this.arrived.ms;
    if (passedMs < 2000) return;
    const arrived = this.player.chunks - this.arrived.chunks;
    const fps = arrived >= 0 && this.arrived.ms ? (arrived * 1000) / passedMs : null;
    this.arrived = { chunks: this.player.chunks, ms, fps };
  }

  get isStandingStill() {
    return this.player.state === "playing" && this.video.readyState >= 2 && this.shownAt.ms > 0 && !document.hidden
      && performance.now() - this.shownAt.ms > STANDSTILL_MS;
  }

  /** Good, late or standing: as a word for the eye and for style. */
  showHealth(isFine) {
    const { fps } = this.arrived;
    const isLate = isFine && (this.player.delayS ?? 0) > LATE_S;
    this.link.dataset.health = !isFine ? "none" : isLate ? "late" : "good";
    say(this.health, isFine && fps !== null ? t`${fps < 9.95 ? fixed(fps, 1) : Math.round(fps)} fps` : "");
  }

  showPlayer() {
    const player = this.player;
    const hasPicture = this.video.readyState >= 2;
    if (player.state !== "playing") this.shownAt = { time: -1, ms: 0 };
    const isStanding = this.isStandingStill;
    const isFine = player.state === "playing" && hasPicture && !isStanding;
    this.link.classList.toggle("dim", hasPicture && (player.state !== "playing" || isStanding));
    this.link.dataset.view = player.state;
    if (player.state === "closed") this.link.classList.toggle("dim", hasPicture);
    this.showHealth(isFine);
    this.veil.hidden = isFine;
    if (!isFine) {
      const titles = { connecting: t`Connecting`, stalled: t`Not live`, waiting: t`Not live`, refused: t`Not shown to you`,
        closed: t`Paused`, playing: t`Waiting for the first picture`, ended: t`Ended` };
      const [state, message] = MAY_WATCH ? [player.state, player.message || this.lastNote?.message || ""]
        : ["refused", t`Your roles do not watch live pictures. “Why may I see what I see?” below your name tells more.`];
      say(this.veil.firstChild, isStanding ? t`Standing still` : titles[state] || state);
      const isOff = state === "closed" && !isAway && this.camera.state !== "recording";
      if (isOff) say(this.veil.firstChild, this.camera.words);
      const detail = isStanding ? t`This browser does not keep up. Show fewer tiles.` : isOff ? this.camera.detail_words : message;
      say(this.veil.lastChild, detail === titles[state] ? "" : detail);
    } else {
      for (const line of this.veil.children) say(line, "");
    }
    const delayS = isFine ? player.delayS : null;
    say(this.delay, delayS === null ? "" : t`${fixed(delayS, 1)} s behind`);
    this.note.hidden = !(isFine && player.isFullyMasked);
    say(this.note, this.note.hidden ? "" : t`Whole picture masked: the analysis is not keeping up`);
  }

  see(isVisible) {
    this.isVisible = isVisible;
    this.update();
  }

  update() {
    // a camera that sends nothing needs no view, no job and no log entry; a moment's silence does not end one
    const isRecording = this.stream === "second" ? this.camera.second === "recording" : this.camera.is_recording;
    const isSilent = !isRecording && !["starting", "unknown", "disk_full", "disk_error", "no_key"].includes(this.stream === "second" ? this.camera.second : this.camera.state);
    const isWanted = MAY_WATCH && this.isVisible && !isAway && !isSilent;
    if (isWanted) this.player.start();
    else if (this.player.state !== "closed") this.player.stop(isAway ? t`Nobody is looking` : "");
  }
}

let isAway = false;
let awayTimer = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(awayTimer);
  const set = (away) => { isAway = away; for (const tile of tiles.values()) tile.update(); };
  if (document.hidden) awayTimer = setTimeout(() => set(true), HIDDEN_STOP_MS);
  else set(false);
});
addEventListener("pagehide", () => { for (const tile of tiles.values()) tile.player.stop(); });

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) tiles.get(entry.target.dataset.camera)?.see(entry.isIntersecting);
}, { rootMargin: "120px" });

function show(status) {
  const wall = $("wall");
  status.cameras.forEach((camera) => {
    let tile = tiles.get(camera.camera_id);
    if (!tile) {
      tile = new Tile(camera);
      tile.link.dataset.camera = camera.camera_id;
      tiles.set(camera.camera_id, tile);
      wall.append(tile.link);
      sight.observe(tile.link);
    }
    tile.show(camera);
    tile.update();
    if (tile.player.state === "closed") tile.showPlayer();
  });
  const ids = new Set(status.cameras.map((camera) => camera.camera_id));
  for (const [id, tile] of tiles) {
    if (ids.has(id)) continue;
    sight.unobserve(tile.link);
    tile.player.release();
    tile.link.remove();
    tiles.delete(id);
  }
  layout.offer(status.cameras.map((camera) => camera.camera_id));
  arrange();
  $("layouts").hidden = status.cameras.length === 0;
  $("empty").hidden = status.cameras.length > 0;
  const recording = status.cameras.filter((camera) => camera.is_recording).length;
  const people = status.cameras.reduce((sum, camera) => sum + camera.live_people, 0);
  const vehicles = status.cameras.reduce((sum, camera) => sum + camera.live_vehicles, 0);
  say($("sum"), status.cameras.length
    ? t`${recording} of ${plural(status.cameras.length, "camera", "cameras")} recording · now ${plural(people, "person", "people")}, ${plural(vehicles, "vehicle", "vehicles")}` : "");
  showWarnings(status.warnings);
  showEvents(status.events, status.now_ns);
}

// -- layouts --------------------------------------------------------------------------------------------

/** Put the tiles of this page of the layout on the wall, in its order; those that stay are not touched. */
function arrange() {
  const wall = $("wall");
  const shown = layout.shown.filter((id) => tiles.has(id));
  const wanted = shown.map((id) => tiles.get(id).link);
  for (const tile of tiles.values()) tile.link.hidden = !shown.includes(tile.id);
  const visible = [...wall.children].filter((node) => !node.hidden);
  // moving a video in the page stops it for a moment: only when the order is another
  if (visible.some((node, index) => node !== wanted[index])) wall.append(...wanted);
  wanted.forEach((node, index) => say(tiles.get(node.dataset.camera).key, index < 9 ? String(index + 1) : ""));
  wall.className = `wall cols-${layout.columns}`;
  for (const button of $("sizes").children) button.setAttribute("aria-pressed", String(Number(button.dataset.size) === layout.size));
  $("turns").hidden = layout.pages < 2;
  say($("page-words"), layout.pages < 2 ? "" : t`Page ${layout.page + 1} of ${layout.pages}`);
  $("tour").setAttribute("aria-pressed", String(layout.isTouring));
  $("dwell").value = String(layout.dwellS);
  showSaved();
}

function showSaved() {
  const words = layout.saved.map((one) => (one.is_own ? one.name : t`${one.name}, by ${one.owner}`));
  const select = $("saved");
  if ([...select.options].slice(1).map((one) => one.value + one.text).join("\n") !== layout.saved.map((one, at) => one.layout_id + words[at]).join("\n")) {
    select.replaceChildren(el("option", { value: "" }, t`All cameras`),
      ...layout.saved.map((one, at) => el("option", { value: one.layout_id }, words[at])));
  }
  select.value = layout.current;
  $("remove").disabled = !layout.chosen?.is_own;
  if ($("keeper").open) return;
  const chosen = layout.cameras;
  $("keep-name").value = layout.chosen?.name ?? "";
  $("keep-shared").checked = Boolean(layout.chosen?.is_own && layout.chosen.is_shared);
  $("keep-cameras").replaceChildren(...[...tiles.values()].map((tile) => el("label", { class: "check" },
    el("input", { type: "checkbox", name: "camera", value: tile.id, checked: chosen.includes(tile.id) }), el("span", {}, tile.camera.name))));
}

layout.addEventListener("change", () => {
  arrange();
  for (const tile of tiles.values()) tile.update();
});
$("sizes").addEventListener("click", (event) => {
  if (event.target.dataset?.size) layout.setSize(Number(event.target.dataset.size));
});
$("saved").addEventListener("change", () => layout.choose($("saved").value));
$("dwell").addEventListener("change", () => layout.setDwell(Number($("dwell").value)));
$("page-back").addEventListener("click", () => layout.turn(-1));
$("page-on").addEventListener("click", () => layout.turn(1));
$("tour").addEventListener("click", () => layout.tour(!layout.isTouring));
$("full").addEventListener("click", fullScreen);
$("remove").addEventListener("click", () => {
  $("keeper").open = false;
  layout.remove(layout.current).catch((error) => alertLine("layout", error.message));
});
onSubmit($("keep"), async (event) => {
  const chosen = new FormData(event.target).getAll("camera").map(String);
  const name = $("keep-name").value.trim();
  if (!chosen.length || !name) {
    alertLine("layout", t`A layout has a name and at least one camera.`);
    return;
  }
  try {
    await layout.save(name, chosen, $("keep-shared").checked);
    alertLine("layout", "");
    $("keeper").open = false;
    $("saved").focus();
  } catch (error) {
    alertLine("layout", error.message);
  }
});
for (const control of document.querySelectorAll("#layouts button:not(#remove), #layouts select")) control.disabled = false;

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $("stage").requestFullscreen().catch((error) => alertLine("layout", t`This browser refuses full screen: ${error.message}`));
}
document.addEventListener("fullscreenchange", () => say($("full"), document.fullscreenElement ? t`Leave full screen` : t`Full screen`));

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...document.querySelectorAll(".tile:not([hidden])")];
  const actions = { f: fullScreen, n: () => layout.turn(1), p: () => layout.turn(-1), s: () => layout.tour(!layout.isTouring),
    l: () => layout.setSize(SIZES[(SIZES.indexOf(layout.size) + 1) % SIZES.length]) };
  actions[event.key]?.();
  if (/^[1-9]$/.test(event.key)) links[Number(event.key) - 1]?.click();
  const at = links.indexOf(document.activeElement);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -layout.columns, ArrowDown: layout.columns }[event.key];
  if (step && at >= 0 && (Math.abs(step) === 1 || links[at + step])) {
    links[(at + step + links.length) % links.length].focus();
    event.preventDefault();
  }
});

layout.load().catch(() => { /* the poll says that the server does not answer */ });
poll("/api/v1/status", 2, show);
