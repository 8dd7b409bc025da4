// Drawing into a camera's picture: shapes as plain values, one history for undo and redo, points by mouse, touch,
// keyboard or as typed coordinates. The server checks what is saved; nothing here decides what is sound.
import "./common.js";
import { $, el, say, svg } from "./dom.js";
import { Player } from "./player.js";
import { post } from "./post.js";
import { fixed, t } from "./words.js";

const root = $("drawing");
const { version: firstVersion, ...first } = JSON.parse(root.dataset.drawing);
const CLASSES = root.dataset.classes.split(" ");
const NAMES = { zones: t`Zone`, masks: t`Object mask`, privacy: t`Privacy zone`, lines: t`Counting line`, roads: t`Road`, queues: t`Queue`, ground: t`Ground point` };
const POINTS = { zones: 3, masks: 3, privacy: 3, lines: 2, roads: 3, queues: 3, ground: 1 };
const HINTS = {
  zones: t`Objects count where they stand in a zone.`, masks: t`Nothing counts where a mask is.`,
  privacy: t`Covered for everybody, whatever they may see.`, lines: t`Two points; forward is to the right of the way from the first to the second.`,
  roads: t`A carriageway: standing and wrong-way vehicles on it are incidents.`, queues: t`Where people wait: how many, and how long, is counted by the hour.`, ground: t`A point of the ground whose place in metres you measured.` };
const MIDDLE = [[0.35, 0.35], [0.65, 0.35], [0.65, 0.65], [0.35, 0.65]];
const STEP = 0.01;
const FINE = 0.001;
const MAX_HISTORY = 200;
const LOOK_MS = 2500; // a moment of live video, so that the picture that is left standing is a vouched one

let version = firstVersion;
let drawing = first;
let saved = JSON.stringify(drawing);
let past = [];
let future = [];
let tool = "";
let draft = [];
let chosen = null; // [kind, index]
let dragged = null;

// -- values -------------------------------------------------------------------------------------------

const round = (value) => Math.round(Math.min(1, Math.max(0, value)) * 10000) / 10000;

function pointsOf(kind, shape) {
  if (kind === "lines") return [shape.start, shape.end];
  if (kind === "ground") return [shape.at];
  return shape.polygon;
}

function setPoints(kind, shape, points) {
  if (kind === "lines") [shape.start, shape.end] = points;
  else if (kind === "ground") [shape.at] = points;
  else shape.polygon = points;
}

function freshName(kind, words) {
  const taken = new Set(drawing[kind].map((one) => one.name));
  for (let number = 1; ; number += 1) if (!taken.has(`${words} ${number}`)) return `${words} ${number}`;
}

function made(kind, points) {
  const shape = {};
  if (kind === "zones" || kind === "masks") shape.classes = [];
  if (kind === "lines") Object.assign(shape, { name: freshName(kind, "line"), lanes: 1, limit_kmh: null });
  if (kind === "queues") shape.name = freshName(kind, "queue");
  if (kind === "roads") Object.assign(shape, { name: freshName(kind, "road"), heading: null, stop_after_s: 5, people: false });
  if (kind === "ground") shape.place_m = [0, 0];
  setPoints(kind, shape, points);
  return shape;
}

/** One step that can be undone. */
function change(step) {
  past.push(JSON.stringify(drawing));
  if (past.length > MAX_HISTORY) past.shift();
  future = [];
  step();
  show();
}

function travel(from, to) {
  if (!from.length) return;
  to.push(JSON.stringify(drawing));
  drawing = JSON.parse(from.pop());
  chosen = null;
  show();
}
const undo = () => travel(past, future);
const redo = () => travel(future, past);

function add(kind, points) {
  change(() => {
    drawing[kind].push(made(kind, points));
    chosen = [kind, drawing[kind].length - 1];
  });
}

function remove(kind, index) {
  change(() => {
    drawing[kind].splice(index, 1);
    chosen = null;
  });
  $("undo").focus();
}

function movePoint(kind, index, which, point) {
  const points = pointsOf(kind, drawing[kind][index]).map((one) => [...one]);
  points[which] = point.map(round);
  setPoints(kind, drawing[kind][index], points);
}

// -- the picture --------------------------------------------------------------------------------------

const shapes = $("shapes");
const size = () => [shapes.clientWidth || 640, shapes.clientHeight || 360];
const at = ([x, y]) => [x * size()[0], y * size()[1]];
const text = (points) => points.map((one) => at(one).join(",")).join(" ");

function pointOf(event) {
  const box = shapes.getBoundingClientRect();
  return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)];
}

function handle(kind, index, which, point, label) {
  const [x, y] = at(point);
  const node = svg("circle", { class: `handle ${kind}`, cx: x, cy: y, r: 8, tabindex: 0, role: "button",
    "aria-label": t`${label}, point ${which + 1}: ${point[0]}, ${point[1]}`, "data-point": `${kind}-${index}-${which}` });
  node.addEventListener("pointerdown", (event) => {
    if (tool) return;
    event.preventDefault();
    event.stopPropagation();
    dragged = { kind, index, which, before: JSON.stringify(drawing) };
    chosen = [kind, index];
    shapes.setPointerCapture(event.pointerId);
  });
  node.addEventListener("keydown", (event) => onHandleKey(event, kind, index, which));
  node.addEventListener("focus", () => { if (String(chosen) !== String([kind, index])) { chosen = [kind, index]; markChosen(); } });
  return node;
}

function onHandleKey(event, kind, index, which) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (way) {
    event.preventDefault();
    const by = event.shiftKey ? FINE : STEP;
    const [x, y] = pointsOf(kind, drawing[kind][index])[which];
    change(() => movePoint(kind, index, which, [x + way[0] * by, y + way[1] * by]));
    shapes.querySelector(`[data-point="${kind}-${index}-${which}"]`)?.focus();
  } else if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    const points = pointsOf(kind, drawing[kind][index]);
    if (points.length > POINTS[kind]) change(() => setPoints(kind, drawing[kind][index], points.filter((_, number) => number !== which)));
    else remove(kind, index);
  }
}

function drawShape(kind, shape, index) {
  const points = pointsOf(kind, shape);
  const label = `${NAMES[kind]} ${index + 1}${shape.name ? ` ${shape.name}` : ""}`;
  const body = kind === "ground" ? null : svg(kind === "lines" ? "polyline" : "polygon", { class: `shape ${kind}`, points: text(points) });
  body?.addEventListener("pointerdown", () => { if (!tool) { chosen = [kind, index]; markChosen(); } });
  const parts = body ? [body] : [];
  if (kind === "lines") parts.push(arrow(points[0], points[1], kind));
  if (kind === "roads" && shape.heading) parts.push(svg("polyline", { class: `shape lines`, points: text(shape.heading) }), arrow(shape.heading[0], shape.heading[1], kind, true));
  const [x, y] = at(points[0]);
  const isRight = x > size()[0] * 0.8; // its label would not fit before the edge
  parts.push(svg("text", { x: isRight ? x - 12 : x + 12, y: Math.max(y - 10, 16), "text-anchor": isRight ? "end" : "start" },
    shape.name || (kind === "ground" ? String(index + 1) : `${NAMES[kind]} ${index + 1}`)));
  return svg("g", { "data-shape": `${kind}-${index}`, role: "group", "aria-label": label }, ...parts,
    ...points.map((point, which) => handle(kind, index, which, point, label)));
}

/** Which way counts as forward: to the right of a line's way; along a heading. */
function arrow(from, to, kind, isAlong = false) {
  const [x1, y1] = at(from);
  const [x2, y2] = at(to);
  const long = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [dx, dy] = [(x2 - x1) / long, (y2 - y1) / long];
  const [px, py] = isAlong ? [dx, dy] : [-dy, dx];
  const [mx, my] = isAlong ? [x2, y2] : [(x1 + x2) / 2, (y1 + y2) / 2];
  return svg("path", { class: `arrow ${kind}`, d: `M${mx} ${my} l${px * 22} ${py * 22} m${-px * 7 - py * 5} ${-py * 7 + px * 5} l${px * 7 + py * 5} ${py * 7 - px * 5} l${-px * 7 + py * 5} ${-py * 7 - px * 5}` });
}

function drawAll() {
  const [width, height] = size();
  shapes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const nodes = Object.keys(NAMES).flatMap((kind) => drawing[kind].map((shape, index) => drawShape(kind, shape, index)));
  if (draft.length) {
    nodes.push(svg("polyline", { class: `shape draft ${tool}`, points: text(draft) }),
      ...draft.map((point) => svg("circle", { class: `handle draft ${tool}`, cx: at(point)[0], cy: at(point)[1], r: 6 })));
  }
  shapes.replaceChildren(...nodes);
  markChosen();
}

function markChosen() {
  const id = chosen ? chosen.join("-") : "";
  for (const node of document.querySelectorAll("[data-shape]")) node.toggleAttribute("data-chosen", node.dataset.shape === id);
}

shapes.addEventListener("pointerdown", (event) => {
  if (!tool) return;
  const point = pointOf(event);
  const [x, y] = at(point);
  const [startX, startY] = draft.length ? at(draft[0]) : [1e9, 1e9];
  if (draft.length >= POINTS[tool] && Math.hypot(x - startX, y - startY) < 14) return finishDraft();
  draft.push(point);
  if (["lines", "ground"].includes(tool) && draft.length === POINTS[tool]) return finishDraft();
  drawAll();
  sayHint();
});
shapes.addEventListener("dblclick", () => finishDraft());
shapes.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  movePoint(dragged.kind, dragged.index, dragged.which, pointOf(event));
  drawAll();
});
shapes.addEventListener("pointerup", () => {
  if (!dragged) return;
  if (dragged.before !== JSON.stringify(drawing)) {
    past.push(dragged.before);
    future = [];
  }
  dragged = null;
  show();
});

function finishDraft() {
  const points = draft.filter((one, number) => number === 0 || String(one) !== String(draft[number - 1]));
  if (!tool || points.length < POINTS[tool]) return;
  const kind = tool;
  choose("");
  add(kind, points);
}

function choose(name) {
  tool = name;
  draft = [];
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  $("canvas").toggleAttribute("data-drawing-now", Boolean(name));
  sayHint();
  drawAll();
}

function sayHint() {
  if (!tool) return say($("hint"), t`Choose what to draw, or drag a point.`);
  const left = POINTS[tool] - draft.length;
  const how = ["lines", "ground"].includes(tool) ? t`${left} more ${left === 1 ? "point" : "points"}.`
    : left > 0 ? t`Click its corners; ${left} more at least.` : t`Click the first corner again, or press Enter, to close it.`;
  say($("hint"), t`${HINTS[tool]} ${how} Esc ends it.`);
}

for (const button of document.querySelectorAll("[data-tool]")) {
  button.disabled = false;
  button.addEventListener("click", (event) => {
    const kind = button.dataset.tool;
    if (event.detail === 0) { // by keyboard: a shape in the middle, to be moved point by point
      choose("");
      add(kind, MIDDLE.slice(0, ["lines", "ground"].includes(kind) ? POINTS[kind] : 4));
      shapes.querySelector(`[data-shape="${chosen.join("-")}"] .handle`)?.focus();
    } else {
      choose(tool === kind ? "" : kind);
    }
  });
}

// -- the list -----------------------------------------------------------------------------------------

const coordinates = (points) => points.map(([x, y]) => `${x}, ${y}`).join("\n");

/** Points of typed lines, or what is wrong in words. */
function parsed(value, least, most, isShare = true) {
  const lines = value.split(/\n|;/).map((line) => line.trim()).filter(Boolean);
  const points = lines.map((line) => line.split(/[\s,]+/).filter(Boolean).map(Number));
  for (const [number, point] of points.entries()) {
    if (point.length !== 2 || point.some((one) => !Number.isFinite(one))) return t`Point ${number + 1}: expected two numbers, x and y, not “${lines[number]}”.`;
    if (isShare && point.some((one) => one < 0 || one > 1)) return t`Point ${number + 1}: expected shares of the picture, 0 to 1, not “${lines[number]}”.`;
  }
  if (points.length < least) return t`Expected at least ${least} points, a line each; there are ${points.length}.`;
  if (points.length > most) return t`Expected ${most} points; there are ${points.length}.`;
  return points;
}

function field(label, input) {
  return el("label", {}, label, input);
}

function pointsField(id, label, value, least, most, take, isShare = true) {
  const problem = el("span", { class: "problem", hidden: true, id: `${id}-problem`, role: "alert" });
  const area = el("textarea", { rows: Math.min(6, Math.max(2, value.length)), spellcheck: "false", "aria-describedby": `${id}-problem`, "data-points": id }, coordinates(value));
  area.addEventListener("change", () => {
    const points = parsed(area.value, least, most, isShare);
    problem.hidden = typeof points !== "string";
    say(problem, typeof points === "string" ? points : "");
    if (typeof points !== "string") change(() => take(points));
  });
  return el("div", {}, field(label, area), problem);
}

function textField(label, value, attributes, take) {
  const input = el("input", { value, autocomplete: "off", ...attributes });
  input.addEventListener("change", () => change(() => take(input.value)));
  return field(label, input);
}

function tick(label, isOn, take) {
  const input = el("input", { type: "checkbox", checked: isOn });
  input.addEventListener("change", () => change(() => take(input.checked)));
  return el("label", { class: "check" }, input, el("span", {}, label));
}

function fieldsOf(kind, shape, id) {
  const most = { lines: 2, ground: 1 }[kind] || 64;
  const fields = [pointsField(id, t`Points, x, y of each on a line`, pointsOf(kind, shape), POINTS[kind], most, (points) => setPoints(kind, shape, points))];
  if (["lines", "roads", "queues"].includes(kind)) fields.unshift(textField(t`Name`, shape.name, { maxlength: 80 }, (value) => { shape.name = value; }));
  if (kind === "lines") fields.push(textField(t`Lanes each way`, shape.lanes, { type: "number", min: 1, max: 16 }, (value) => { shape.lanes = Number(value); }),
    textField(t`Speed limit, km/h (empty: none)`, shape.limit_kmh ?? "", { type: "number", min: 5, max: 300, step: "any" }, (value) => { shape.limit_kmh = value === "" ? null : Number(value); }));
  if (kind === "roads") {
    fields.push(textField(t`Standing is an incident after seconds (0: a place to park)`, shape.stop_after_s, { type: "number", min: 0, max: 3600, step: "any" }, (value) => { shape.stop_after_s = Number(value); }),
      tick(t`People may walk on it`, shape.people, (isOn) => { shape.people = isOn; }),
      tick(t`Driven one way`, shape.heading !== null, (isOn) => { shape.heading = isOn ? [[...shape.polygon[0]], [...shape.polygon[1]]] : null; }));
    if (shape.heading) fields.push(pointsField(`${id}-heading`, t`From and to, on a line each`, shape.heading, 2, 2, (points) => { shape.heading = points; }));
  }
  if (kind === "ground") fields.push(pointsField(`${id}-place`, t`Its place in metres, x, y`, [shape.place_m], 1, 1, ([place]) => { shape.place_m = place; }, false));
  if (kind === "zones" || kind === "masks") {
    fields.push(el("fieldset", { class: "classes" }, el("legend", {}, t`Only for (none: everything)`), ...CLASSES.map((name) =>
      tick(name, shape.classes.includes(name), (isOn) => { shape.classes = isOn ? [...shape.classes, name] : shape.classes.filter((one) => one !== name); }))));
  }
  return fields;
}

function listed(kind, shape, index) {
  const isChosen = String(chosen) === String([kind, index]);
  const box = el("details", { "data-shape": `${kind}-${index}`, open: isChosen },
    el("summary", {}, el("i", { class: `swatch ${kind}` }), ` ${NAMES[kind]} ${index + 1}${shape.name ? `: ${shape.name}` : ""}`),
    ...fieldsOf(kind, shape, `${kind}-${index}`),
    el("p", {}, el("button", { type: "button", class: "danger", onclick: () => remove(kind, index) }, t`Delete ${NAMES[kind].toLowerCase()} ${index + 1}`)));
  box.addEventListener("toggle", () => { if (box.open) { chosen = [kind, index]; markChosen(); } });
  return box;
}

function show() {
  const rows = Object.keys(NAMES).flatMap((kind) => drawing[kind].map((shape, index) => listed(kind, shape, index)));
  $("list").replaceChildren(...rows);
  $("list-empty").hidden = rows.length > 0;
  if ($("floor").value !== drawing.floor) $("floor").value = drawing.floor;
  $("burn_in").checked = drawing.burn_in;
  $("undo").disabled = past.length === 0;
  $("redo").disabled = future.length === 0;
  $("save").disabled = JSON.stringify(drawing) === saved;
  if (!$("save").disabled) $("saved").hidden = true;
  drawAll();
}

// -- keys, saving, the picture ------------------------------------------------------------------------

$("undo").addEventListener("click", undo);
$("redo").addEventListener("click", redo);
$("floor").addEventListener("change", () => change(() => { drawing.floor = $("floor").value; }));
$("burn_in").addEventListener("change", () => change(() => { drawing.burn_in = $("burn_in").checked; }));
addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select");
  if (event.key === "Escape" && tool) choose("");
  if (event.key === "Enter" && tool && draft.length && !isTyping) { event.preventDefault(); finishDraft(); }
  if (!(event.ctrlKey || event.metaKey) || isTyping) return;
  const key = event.key.toLowerCase();
  if (key === "z") { event.preventDefault(); (event.shiftKey ? redo : undo)(); }
  if (key === "y") { event.preventDefault(); redo(); }
});
addEventListener("beforeunload", (event) => { if (JSON.stringify(drawing) !== saved) event.preventDefault(); });

function complain(words, isStale) {
  $("problem").hidden = !words;
  $("problem").replaceChildren(words, ...(isStale ? [" ", el("a", { href: "/prove", target: "_blank" }, t`Confirm who you are`), t`, then save again.`] : []));
  if (words) $("problem").scrollIntoView({ block: "nearest" });
}

$("save").addEventListener("click", async () => {
  const sent = JSON.stringify(drawing);
  $("save").disabled = true;
  complain("");
  try {
    version = (await post(location.pathname, { version, ...drawing })).version;
    saved = sent;
    say($("saved"), t`Saved: in force at once, and in the log.`);
    $("saved").hidden = false;
  } catch (error) {
    if (error.status) complain(error.message, Boolean(error.prove) || error.status === 401);
    else complain(t`The server does not answer. Nothing was saved; what you drew is still here.`);
  }
  $("save").disabled = JSON.stringify(drawing) === saved;
});

$("calibration-read").disabled = false;
$("calibration-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData($("calibration-form"));
  if (form.get("width_px") === "0" && video.videoWidth) { // the picture here has the shape that the file's had
    form.set("width_px", video.videoWidth);
    form.set("height_px", video.videoHeight);
  }
  $("calibration-problem").hidden = true;
  say($("calibration-said"), t`Reading …`);
  try {
    const found = await post(`/site/cameras/${encodeURIComponent(root.dataset.camera)}/calibration`, form);
    change(() => { drawing.ground = found.ground; chosen = null; });
    say($("calibration-said"), t`${found.ground.length} points are drawn. A flat ground through them is at most ${fixed(found.off_m, 2)} m off. Look whether they lie where they should, then save.`);
  } catch (error) {
    say($("calibration-said"), "");
    say($("calibration-problem"), error.status ? error.message : t`The server does not answer. Nothing was changed.`);
    $("calibration-problem").hidden = false;
  }
});

const video = $("video");
let player = null;
function look() {
  player?.release();
  $("again").disabled = true;
  player = new Player(video, { path: `/api/v1/cameras/${encodeURIComponent(root.dataset.camera)}/live?max_height_px=720`, isLive: true });
  let timer = 0;
  player.addEventListener("state", () => {
    if (player.state === "playing" && !timer) {
      timer = setTimeout(() => {
        video.pause();
        player.stop();
        $("again").disabled = false;
      }, LOOK_MS);
    } else if (player.state === "refused") {
      say($("hint"), player.message);
      $("again").disabled = false;
    }
  });
  player.start();
}
if (root.dataset.mayWatch) {
  $("again").addEventListener("click", look);
  look();
}
video.addEventListener("loadedmetadata", () => {
  if (video.videoWidth) $("canvas").style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
});
addEventListener("pagehide", () => player?.stop());
new ResizeObserver(drawAll).observe($("canvas"));
show();
