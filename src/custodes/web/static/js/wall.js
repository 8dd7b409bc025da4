// The wall: one tile per camera, each with its own live view.
import { poll, showEvents, showWarnings } from "./common.js";
import { $, el, plural, say } from "./dom.js";
import { Player } from "./player.js";

const HIDDEN_STOP_MS = 30_000; // a wall nobody can see watches nothing
const CHANGE_AFTER = 3; // polls; a stream that is away for a moment does not change the view, which costs a job and a log entry
const tiles = new Map();

class Tile {
  constructor(camera, position) {
    this.id = camera.camera_id;
    this.video = el("video", { muted: true, playsinline: true, tabindex: "-1", "aria-hidden": "true" });
    this.video.muted = true;
    this.key = el("kbd", {}, position < 9 ? String(position + 1) : "");
    this.dot = el("span", { class: "dot" });
    this.name = el("span", { class: "tile-name" });
    this.state = el("span", { class: "tile-state" });
    this.people = el("span", { class: "count people" });
    this.vehicles = el("span", { class: "count vehicles" });
    this.delay = el("span", { class: "tile-delay" });
    this.veil = el("div", { class: "veil" }, el("p", {}), el("p", { class: "veil-detail" }));
    this.note = el("p", { class: "tile-note", hidden: true });
    this.link = el("a", { class: "tile", href: `/cameras/${encodeURIComponent(this.id)}` },
      el("div", { class: "picture" }, this.video, this.veil, this.note),
      el("div", { class: "caption" },
        el("div", { class: "caption-row" }, this.key, this.name, this.delay),
        el("div", { class: "caption-row" }, this.dot, this.state, el("span", { class: "counts" }, this.people, this.vehicles))));
    this.stream = camera.wall;
    this.changes = 0;
    this.player = new Player(this.video, { path: this.path(), isLive: true });
    this.player.addEventListener("state", () => this.showPlayer());
    this.player.addEventListener("tick", () => this.showPlayer());
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
    say(this.state, camera.detail && camera.state !== "recording" ? `${camera.words}: ${camera.detail}` : camera.words);
    this.state.title = camera.detail;
    this.dot.className = `dot ${camera.is_recording ? "ok" : camera.state === "starting" || camera.state === "disabled" ? "" : "bad"}`;
    say(this.people, `${camera.live_people} / ${camera.people}`);
    say(this.vehicles, `${camera.live_vehicles} / ${camera.vehicles}`);
    this.people.title = `${camera.live_people} people now, ${camera.people} so far`;
    this.vehicles.title = `${camera.live_vehicles} vehicles now, ${camera.vehicles} so far`;
    this.choose();
    this.link.dataset.stream = this.stream;
    const words = `${camera.name}. ${camera.words}. ${plural(camera.live_people, "person", "people")} and ${plural(camera.live_vehicles, "vehicle", "vehicles")} now.`;
    if (this.link.getAttribute("aria-label") !== words) this.link.setAttribute("aria-label", words);
  }

  showPlayer() {
    const player = this.player;
    const hasPicture = this.video.readyState >= 2;
    const isFine = player.state === "playing" && hasPicture;
    this.link.classList.toggle("dim", hasPicture && player.state !== "playing");
    this.link.dataset.view = player.state;
    if (player.state === "closed") this.link.classList.toggle("dim", hasPicture);
    this.veil.hidden = isFine;
    if (!isFine) {
      const titles = { connecting: "Connecting", stalled: "Not live", waiting: "Not live", refused: "Not shown to you",
        closed: "Paused", playing: "Waiting for the first picture", ended: "Ended" };
      say(this.veil.firstChild, titles[player.state] || player.state);
      const isOff = player.state === "closed" && !isAway && this.camera.state !== "recording";
      if (isOff) say(this.veil.firstChild, this.camera.words);
      const detail = isOff ? this.camera.detail : player.message || this.lastNote?.message || "";
      say(this.veil.lastChild, detail === titles[player.state] ? "" : detail);
    } else {
      for (const line of this.veil.children) say(line, "");
    }
    const delayS = isFine ? player.delayS : null;
    say(this.delay, delayS === null ? "" : `${delayS.toFixed(1)} s behind`);
    this.note.hidden = !(isFine && player.isFullyMasked);
    say(this.note, this.note.hidden ? "" : "Whole picture masked: the analysis is not keeping up");
  }

  see(isVisible) {
    this.isVisible = isVisible;
    this.update();
  }

  update() {
    // a camera that sends nothing needs no view, no job and no log entry; a moment's silence does not end one
    const isRecording = this.stream === "second" ? this.camera.second === "recording" : this.camera.is_recording;
    const isSilent = !isRecording && !["starting", "unknown", "disk_full", "disk_error", "no_key"].includes(this.stream === "second" ? this.camera.second : this.camera.state);
    const isWanted = this.isVisible && !isAway && !isSilent;
    if (isWanted) this.player.start();
    else if (this.player.state !== "closed") this.player.stop(isAway ? "Nobody is looking" : "");
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
  status.cameras.forEach((camera, position) => {
    let tile = tiles.get(camera.camera_id);
    if (!tile) {
      tile = new Tile(camera, position);
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
  wall.dataset.count = String(Math.min(status.cameras.length, 17));
  wall.className = `wall cols-${columnsFor(status.cameras.length)}`;
  $("empty").hidden = status.cameras.length > 0;
  const recording = status.cameras.filter((camera) => camera.is_recording).length;
  const people = status.cameras.reduce((sum, camera) => sum + camera.live_people, 0);
  const vehicles = status.cameras.reduce((sum, camera) => sum + camera.live_vehicles, 0);
  say($("sum"), status.cameras.length
    ? `${recording} of ${plural(status.cameras.length, "camera", "cameras")} recording · now ${plural(people, "person", "people")}, ${plural(vehicles, "vehicle", "vehicles")}` : "");
  showWarnings(status.warnings);
  showEvents(status.events, status.now_ns);
}

function columnsFor(count) {
  if (count <= 1) return 1;
  if (count <= 4) return 2;
  if (count <= 9) return 3;
  if (count <= 16) return 4;
  return 5;
}

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...document.querySelectorAll(".tile")];
  if (/^[1-9]$/.test(event.key)) links[Number(event.key) - 1]?.click();
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const at = links.indexOf(document.activeElement);
  if (step && at >= 0) {
    links[(at + step + links.length) % links.length].focus();
    event.preventDefault();
  }
});

poll("/api/v1/status", 2, show);
