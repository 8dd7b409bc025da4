// The plan of the site: floors, cameras with what they look at, ways. Plain values with one history for undo and redo;
// mouse, keyboard or numbers. The server checks what is saved.
import "./common.js";
import { $, el, say, svg } from "./dom.js";
import { post } from "./post.js";
import { t } from "./words.js";

const root = $("plan");
const cameras = JSON.parse(root.dataset.cameras);
const learnt = JSON.parse($("plan").dataset.learnt);
const names = new Map(cameras.map(([id, name]) => [id, name]));
const { version: firstVersion, utc_ns: _at, editor: _who, ...first } = JSON.parse(root.dataset.plan);
const before = JSON.parse(root.dataset.before);
const SIDE = 900;
const EMPTY_M = 40;
const MAX_HISTORY = 200;

let version = firstVersion;
let plan = first;
let saved = JSON.stringify(plan);
let past = [];
let future = [];
let floorName = plan.floors[0]?.name || "";
let dragged = null;

const floorNow = () => plan.floors.find((one) => one.name === floorName) || null;
const here = () => plan.cameras.filter((one) => one.floor === floorName);
const round = (value, step = 0.01) => Math.round(value / step) * step;
const tidy = (value) => Number(value.toFixed(2));

/** `isTyped`: in one of the lists, which stay as they are: who types or tabs there loses no place. */
function change(act, isTyped = false) {
  past.push(JSON.stringify(plan));
  if (past.length > MAX_HISTORY) past.shift();
  future = [];
  act();
  if (isTyped) showState(); else show();
}
function step(from, to) {
  if (!from.length) return;
  to.push(JSON.stringify(plan));
  plan = JSON.parse(from.pop());
  if (!floorNow()) floorName = plan.floors[0]?.name || "";
  show();
}

// -- geometry: metres of the floor ↔ units of the drawing ------------------------------------------------

function frame() {
  const floor = floorNow();
  if (floor?.width_px) {
    return { width: floor.width_px, height: floor.height_px, scale: floor.px_per_m, x: floor.origin_px[0], y: floor.origin_px[1] };
  }
  const points = here().flatMap((one) => [[one.place_m[0] - one.range_m, one.place_m[1] - one.range_m], [one.place_m[0] + one.range_m, one.place_m[1] + one.range_m]]);
  const low = [0, 1].map((axis) => Math.min(0, ...points.map((one) => one[axis])) - 2);
  const high = [0, 1].map((axis) => Math.max(EMPTY_M, ...points.map((one) => one[axis])) + 2);
  const scale = SIDE / Math.max(high[0] - low[0], high[1] - low[1]);
  return { width: (high[0] - low[0]) * scale, height: (high[1] - low[1]) * scale, scale, x: -low[0] * scale, y: high[1] * scale };
}
const toPx = (f, [x, y]) => [f.x + x * f.scale, f.y - y * f.scale];
const toMetres = (f, [x, y]) => [(x - f.x) / f.scale, (f.y - y) / f.scale];
const ahead = (camera, turn = 0, share = 1) => {
  const angle = ((camera.heading_deg + turn) * Math.PI) / 180;
  return [camera.place_m[0] + Math.cos(angle) * camera.range_m * share, camera.place_m[1] + Math.sin(angle) * camera.range_m * share];
};

function cone(f, camera) {
  const half = camera.view_deg / 2;
  const steps = Math.max(2, Math.ceil(camera.view_deg / 10));
  const points = [camera.place_m, ...Array.from({ length: steps + 1 }, (_, at) => ahead(camera, -half + (camera.view_deg * at) / steps))];
  return points.map((one) => toPx(f, one).map((value) => value.toFixed(1)).join(",")).join(" ");
}

// -- drawing ---------------------------------------------------------------------------------------------

const canvas = $("canvas");
let shown = frame();

function drawCamera(camera) {
  const label = t`${names.get(camera.camera_id) || camera.camera_id}: at ${tidy(camera.place_m[0])}, ${tidy(camera.place_m[1])} m, turned ${Math.round(camera.heading_deg)}°, sees ${tidy(camera.range_m)} m`;
  const [x, y] = toPx(shown, camera.place_m);
  const [tx, ty] = toPx(shown, ahead(camera));
  const size = Math.max(shown.width, shown.height) / 90;
  const body = svg("rect", { class: "handle body", x: x - size, y: y - size, width: 2 * size, height: 2 * size, rx: size / 2, tabindex: 0, role: "button", "aria-label": label, "data-camera": camera.camera_id });
  const tip = svg("circle", { class: "handle tip", cx: tx, cy: ty, r: size * 0.8 });
  body.addEventListener("pointerdown", (event) => grab(event, camera.camera_id, "move"));
  tip.addEventListener("pointerdown", (event) => grab(event, camera.camera_id, "aim"));
  body.addEventListener("keydown", (event) => onKey(event, camera));
  return svg("g", { class: "placed" }, svg("polygon", { class: "cone", points: cone(shown, camera) }), svg("line", { class: "axis", x1: x, y1: y, x2: tx, y2: ty }), tip, body,
    svg("text", { x: x + size * 1.4, y: y + size * 0.5, "font-size": size * 1.8 }, names.get(camera.camera_id) || camera.camera_id));
}

function draw() {
  shown = frame();
  canvas.setAttribute("viewBox", `0 0 ${shown.width} ${shown.height}`);
  const floor = floorNow();
  const picture = floor?.plan_sha256 ? [svg("image", { href: `/map/plan/${floor.plan_sha256}.jpg`, width: shown.width, height: shown.height })] : [];
  const [ox, oy] = toPx(shown, [0, 0]);
  const long = Math.max(shown.width, shown.height) / 25;
  canvas.replaceChildren(...picture,
    svg("path", { class: "origin", d: `M${ox} ${oy} h${long} M${ox} ${oy} v${-long}` }, svg("title", {}, t`0, 0 of the metres`)),
    ...(floor ? here().map(drawCamera) : []));
}

function pointOf(event) {
  const box = canvas.getBoundingClientRect();
  return toMetres(shown, [((event.clientX - box.left) / box.width) * shown.width, ((event.clientY - box.top) / box.height) * shown.height]);
}
function grab(event, id, kind) {
  event.preventDefault();
  dragged = { id, kind, before: JSON.stringify(plan) };
  canvas.setPointerCapture(event.pointerId);
}
canvas.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  const camera = plan.cameras.find((one) => one.camera_id === dragged.id);
  const point = pointOf(event);
  if (dragged.kind === "move") camera.place_m = point.map((value) => tidy(round(value, 0.05)));
  else aim(camera, point);
  const kept = shown;
  draw();
  if (!floorNow()?.width_px) shown = kept;
});
canvas.addEventListener("pointerup", () => {
  if (!dragged) return;
  if (dragged.before !== JSON.stringify(plan)) { past.push(dragged.before); future = []; }
  dragged = null;
  show();
});
function aim(camera, [x, y]) {
  const [dx, dy] = [x - camera.place_m[0], y - camera.place_m[1]];
  camera.heading_deg = Math.round((Math.atan2(dy, dx) * 180) / Math.PI + 360) % 360;
  camera.range_m = Math.min(1000, Math.max(0.5, tidy(Math.hypot(dx, dy))));
}

function onKey(event, camera) {
  const fine = event.shiftKey;
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  const turn = { "[": 1, "{": 1, "]": -1, "}": -1 }[event.key];
  const far = { "+": 1, "=": 1, "-": -1, _: -1 }[event.key];
  if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    return change(() => { plan.cameras = plan.cameras.filter((one) => one !== camera); });
  }
  if (!way && !turn && !far) return;
  event.preventDefault();
  change(() => {
    if (way) camera.place_m = camera.place_m.map((value, axis) => tidy(value + way[axis] * (fine ? 0.1 : 0.5)));
    if (turn) camera.heading_deg = (camera.heading_deg + turn * (fine ? 1 : 5) + 360) % 360;
    if (far) camera.range_m = Math.min(1000, Math.max(0.5, tidy(camera.range_m + far * (fine ? 0.1 : 1))));
  });
  canvas.querySelector(`[data-camera="${camera.camera_id}"]`)?.focus();
}

// -- lists -----------------------------------------------------------------------------------------------

function number(label, value, attributes, take) {
  const input = el("input", { type: "number", step: "any", value, ...attributes });
  input.addEventListener("change", () => { if (input.value !== "" && input.checkValidity()) change(() => take(Number(input.value)), true); else input.reportValidity(); });
  return el("label", {}, label, input);
}

function floorFields() {
  const floor = floorNow();
  if (!floor) return [];
  const name = el("input", { value: floor.name, maxlength: 80, required: true });
  name.addEventListener("change", () => {
    const wanted = name.value.trim();
    if (!wanted || plan.floors.some((one) => one !== floor && one.name === wanted)) { name.value = floor.name; return; }
    change(() => { for (const one of here()) one.floor = wanted; floor.name = wanted; floorName = wanted; });
  });
  const file = el("input", { type: "file", accept: "image/jpeg,image/png" });
  file.addEventListener("change", () => upload(file.files[0]));
  return [el("label", {}, t`Name (cameras' ground points use the same)`, name),
    el("label", {}, t`Picture of it, JPEG or PNG, at most 4 MB`, file),
    ...(floor.width_px ? [number(t`Pixels of the picture a metre`, floor.px_per_m, { min: 0.01, max: 2000 }, (value) => { floor.px_per_m = value; }),
      el("div", { class: "pair" }, number(t`0, 0 of the metres: pixels from the left`, floor.origin_px[0], {}, (value) => { floor.origin_px[0] = value; }),
        number(t`and from the top`, floor.origin_px[1], {}, (value) => { floor.origin_px[1] = value; }))] : []),
    el("p", { class: "inline" }, el("button", { type: "button", class: "danger", onclick: () => change(() => {
      plan.cameras = plan.cameras.filter((one) => one.floor !== floor.name);
      plan.floors = plan.floors.filter((one) => one !== floor);
      floorName = plan.floors[0]?.name || "";
    }) }, t`Take this floor off the plan`))];
}

function cameraFields(camera) {
  return el("details", { "data-camera": camera.camera_id }, el("summary", {}, names.get(camera.camera_id) || camera.camera_id),
    el("div", { class: "pair" }, number(t`x, metres`, camera.place_m[0], {}, (value) => { camera.place_m[0] = value; }), number(t`y, metres`, camera.place_m[1], {}, (value) => { camera.place_m[1] = value; })),
    el("div", { class: "pair" }, number(t`Turned, degrees against the clock from x`, camera.heading_deg, { min: 0, max: 359.99 }, (value) => { camera.heading_deg = value; }),
      number(t`Angle of view, degrees`, camera.view_deg, { min: 1, max: 180 }, (value) => { camera.view_deg = value; })),
    number(t`Sees, metres`, camera.range_m, { min: 0.5, max: 1000 }, (value) => { camera.range_m = value; }),
    el("p", {}, el("button", { type: "button", class: "danger", onclick: () => change(() => { plan.cameras = plan.cameras.filter((one) => one !== camera); }) }, t`Take it off`)));
}

function chooser(label, value, take) {
  const select = el("select", { "aria-label": label }, ...cameras.map(([id, name]) => el("option", { value: id }, name)));
  select.value = value;
  select.addEventListener("change", () => change(() => take(select.value)));
  return select;
}

function wayFields(way) {
  return el("div", { class: "way" }, chooser(t`From`, way.from_camera, (id) => { way.from_camera = id; }), " → ", chooser(t`To`, way.to_camera, (id) => { way.to_camera = id; }),
    number(t`usual seconds`, way.seconds, { min: 1, max: 3600 }, (value) => { way.seconds = value; }),
    el("button", { type: "button", class: "danger", onclick: () => change(() => { plan.ways = plan.ways.filter((one) => one !== way); }) }, t`Delete`));
}

function fill(select, options, value) {
  select.replaceChildren(...options.map(([id, name]) => el("option", { value: id }, name)));
  if (options.some(([id]) => id === value)) select.value = value;
}

const LISTS = "#floor-fields, #list, #ways, #learnt, #canvas";
const inside = (box) => [...box.querySelectorAll("input, select, button, summary, [tabindex]")];

/** Lists are made anew: what was open stays so, and the keyboard stays where it was, or near it. */
function show() {
  const active = document.activeElement;
  const box = active?.closest(LISTS);
  const at = box ? inside(box).indexOf(active) : -1;
  const open = new Set([...$("list").querySelectorAll("details[open]")].map((one) => one.dataset.camera));
  showAll();
  for (const one of $("list").querySelectorAll("details")) one.open = open.has(one.dataset.camera);
  if (at < 0) return;
  const left = inside(box);
  const same = box === canvas ? canvas.querySelector(`[data-camera="${active.dataset.camera}"]`) : left[Math.min(at, left.length - 1)];
  (same || left[0] || ($("add-camera").disabled ? $("add-floor") : $("add-camera"))).focus();
}

function showAll() {
  const placed = new Set(plan.cameras.map((one) => one.camera_id));
  const left = cameras.filter(([id]) => !placed.has(id));
  fill($("floor"), plan.floors.map((one) => [one.name, one.name]), floorName);
  fill($("camera"), left, $("camera").value);
  $("floor").disabled = plan.floors.length < 2;
  $("camera").disabled = $("add-camera").disabled = !left.length || !floorNow();
  $("add-floor").disabled = plan.floors.length >= 32;
  $("add-way").disabled = cameras.length < 2;
  $("empty").hidden = plan.floors.length > 0;
  $("floor-fields").replaceChildren(...floorFields());
  $("list").replaceChildren(...here().map(cameraFields));
  $("list-empty").hidden = here().length > 0;
  $("ways").replaceChildren(...plan.ways.map(wayFields));
  const drawn = new Map(plan.ways.map((one) => [`${one.from_camera} ${one.to_camera}`, one.seconds]));
  $("learnt-box").hidden = !learnt.length;
  $("learnt").replaceChildren(...learnt.map(([from, to, seconds]) => el("p", { class: "inline" },
    t`${names.get(from) || from} → ${names.get(to) || to}: ${seconds} s`, " ", drawn.has(`${from} ${to}`) ? el("span", { class: "muted" }, t`drawn: ${drawn.get(`${from} ${to}`)} s`)
      : el("button", { type: "button", onclick: () => change(() => plan.ways.push({ from_camera: from, to_camera: to, seconds })) }, t`Draw it`))));
  showState();
}

function showState() {
  $("undo").disabled = !past.length;
  $("redo").disabled = !future.length;
  $("save").disabled = JSON.stringify(plan) === saved;
  $("back").disabled = !before;
  if (!$("save").disabled) $("saved").hidden = true;
  draw();
}

// -- acts ------------------------------------------------------------------------------------------------

function complain(words, isStale) {
  $("problem").hidden = !words;
  $("problem").replaceChildren(words, ...(isStale ? [" ", el("a", { href: "/prove", target: "_blank" }, t`Confirm who you are`), t`, then save again.`] : []));
  if (words) $("problem").scrollIntoView({ block: "nearest" });
}

$("floor").addEventListener("change", () => { floorName = $("floor").value; show(); });
$("add-floor").addEventListener("click", () => change(() => {
  const known = [...new Set(cameras.map(([, , floor]) => floor).filter(Boolean))].find((name) => !plan.floors.some((one) => one.name === name));
  let name = known || t`Floor ${plan.floors.length + 1}`;
  while (plan.floors.some((one) => one.name === name)) name += "+";
  plan.floors.push({ name, plan_sha256: "", width_px: 0, height_px: 0, px_per_m: 20, origin_px: [0, 0] });
  floorName = name;
}));
$("add-camera").addEventListener("click", () => {
  const id = $("camera").value;
  const [x, y] = toMetres(shown, [shown.width / 2, shown.height / 2]).map((value) => tidy(round(value, 0.5)));
  change(() => plan.cameras.push({ camera_id: id, floor: floorName, place_m: [x, y], heading_deg: 90, view_deg: 70, range_m: 12 }));
  canvas.querySelector(`[data-camera="${id}"]`)?.focus();
});
$("add-way").addEventListener("click", () => change(() => {
  const has = new Set(plan.ways.map((one) => `${one.from_camera} ${one.to_camera}`));
  const pair = cameras.flatMap(([one]) => cameras.map(([other]) => [one, other])).find(([one, other]) => one !== other && !has.has(`${one} ${other}`));
  if (pair) plan.ways.push({ from_camera: pair[0], to_camera: pair[1], seconds: 30 });
}));
$("undo").addEventListener("click", () => step(past, future));
$("redo").addEventListener("click", () => step(future, past));
$("back").addEventListener("click", () => change(() => {
  const { version: _v, utc_ns: _u, editor: _e, ...older } = structuredClone(before);
  plan = older;
  if (!floorNow()) floorName = plan.floors[0]?.name || "";
}));
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.target.closest("input, textarea, select")) return;
  const key = event.key.toLowerCase();
  if (key === "z") { event.preventDefault(); if (event.shiftKey) step(future, past); else step(past, future); }
  if (key === "y") { event.preventDefault(); step(future, past); }
});
addEventListener("beforeunload", (event) => { if (JSON.stringify(plan) !== saved) event.preventDefault(); });

async function upload(file) {
  const floor = floorNow();
  if (!file || !floor) return;
  complain("");
  say($("saved"), t`The picture is being drawn anew …`);
  $("saved").hidden = false;
  const form = new FormData();
  form.append("picture", file);
  try {
    const made = await post("/map/edit/picture", form);
    change(() => {
      Object.assign(floor, made);
      if (floor.origin_px[0] === 0 && floor.origin_px[1] === 0) floor.origin_px = [0, made.height_px];
    });
    say($("saved"), t`The picture is here. Say how many of its pixels a metre has, then save.`);
    $("saved").hidden = false;
  } catch (error) {
    $("saved").hidden = true;
    complain(error.message, Boolean(error.prove) || error.status === 401);
  }
}

$("save").addEventListener("click", async () => {
  const sent = JSON.stringify(plan);
  $("save").disabled = true;
  complain("");
  try {
    version = (await post("/map/edit", { version, ...plan })).version;
    saved = sent;
    say($("saved"), t`Saved as version ${version}: in force at once, and in the log.`);
    $("saved").hidden = false;
    $("version").hidden = true; // it speaks of the version before
  } catch (error) {
    complain(error.status ? error.message : t`The server does not answer. Nothing was saved; what you drew is still here.`, Boolean(error.prove) || error.status === 401);
  }
  $("save").disabled = JSON.stringify(plan) === saved;
});
show();
