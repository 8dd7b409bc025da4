// The map page: floors with their pictures, cameras and what they look at, dots of who is there now, arrows of the day's
// flows, where people stood.
import { ask, nowNs, poll } from "./common.js";
import { $, el, plural, say, svg } from "./dom.js";
import { streets } from "./map_streets.js";
import { isMoved, listen, windowOf } from "./map_view.js";
import { fixed, t, whole } from "./words.js";

const EDGE = 14;
const LETTER_PX = 8;
let flows = [];
let heat = [];
let newest = null;

async function loadFlows() {
  const toNs = Math.floor(nowNs() / 3.6e12) * 3.6e12;
  try {
    const body = await ask(`/api/v1/flows?from=${BigInt(toNs - 24 * 3.6e12)}&to=${BigInt(toNs)}`);
    flows = body.hours.flatMap((hour) => hour.cells);
  } catch { flows = []; }
}

async function loadHeat() {
  heat = [];
  if ($("heat-on").checked) {
    try { heat = (await ask(`/api/v1/map/heat?hours=24&group=people`)).cells; } catch { heat = []; }
  }
  say($("heat-well"), $("heat-on").checked && !heat.length ? t`Nobody, or fewer than the minimum group in every hour; or no camera's ground is measured.` : "");
  if (newest) draw(newest);
}

/** All floors by name: what is live and what is drawn, one beside the other. */
function floorsOf(body) {
  const found = new Map();
  const of = (name) => found.get(name) || found.set(name, { name, cameras: [], dots: [], plan: null, placed: [] }).get(name);
  for (const floor of body.plan.floors) of(floor.name).plan = floor;
  for (const floor of body.floors) Object.assign(of(floor.name), { cameras: floor.cameras, dots: floor.dots });
  for (const camera of body.plan.cameras) of(camera.floor).placed.push(camera);
  return [...found.values()];
}

function draw(body) {
  newest = body;
  const floors = floorsOf(body);
  const select = $("floor");
  const names = floors.map((floor) => floor.name);
  if ([...select.options].map((one) => one.value).join("\n") !== names.join("\n")) {
    const before = select.value;
    select.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    if (names.includes(before)) select.value = before;
  }
  const floor = floors.find((one) => one.name === select.value) || floors[0];
  $("empty").hidden = Boolean(floor);
  $("floor-choice").hidden = !floor;
  $("drawn").hidden = !floor;
  if (!floor) { $("map").replaceChildren(); say($("well"), ""); return; }
  const people = floor.dots.filter((dot) => dot.is_person).length;
  const count = new Set([...floor.cameras, ...floor.placed].map((one) => one.camera_id)).size;
  say($("well"), t`${plural(people, "person", "people")}, ${plural(floor.dots.length - people, "vehicle", "vehicles")} now; ${plural(count, "camera", "cameras")}`);
  $("late").hidden = !body.late.length;
  say($("late"), body.late.map((one) => t`${one.name} is analysed ${one.seconds} s late: who is there is not shown.`).join(" "));
  const placed = new Map(floor.placed.map((one) => [one.camera_id, one]));
  const hung = [...placed.values(), ...floor.cameras.filter((one) => !placed.has(one.camera_id))]
    .map((one) => ({ id: one.camera_id, name: body.names[one.camera_id] || one.name || one.camera_id, place: one.place_m || one.measured_m?.[0], drawn: placed.get(one.camera_id), isAssumed: one.is_shape_known === false && Boolean(one.place_m) }));
  const cells = heat.filter((cell) => cell.floor === floor.name);
  const ground = [...floor.cameras.flatMap((one) => one.measured_m), ...floor.placed.flatMap((one) => [one.place_m, ...edge(one)]), ...corners(floor.plan)];
  if (!ground.length && !hung.length) { $("map").replaceChildren(); return; }
  const view = windowOf(floor.name, ground, hung.map((one) => one.place), Boolean(floor.plan?.width_px));
  const { at, wide, width, height } = view;
  $("zoom-fit").disabled = !isMoved(floor.name);
  const node = $("map");
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const places = new Map(hung.map((one) => [one.id, inside(at(one.place), width, height)]));
  const most = Math.max(1, ...cells.map((cell) => cell.count));
  const line = (list) => list.map((point) => at(point).map((value) => value.toFixed(1)).join(",")).join(" ");
  node.replaceChildren(
    svg("defs", {}, svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 5, markerHeight: 5, orient: "auto" },
      svg("path", { d: "M0,0 L8,4 L0,8 z", class: "tip" }))),
    ...streets(floor.name, at, wide, { ...view, size: width }),
    ...picture(floor.plan, at, width / wide),
    ...floor.placed.map((one) => svg("polygon", { class: "cone", points: line([one.place_m, ...edge(one)]) }, svg("title", {}, t`what ${body.names[one.camera_id] || one.camera_id} looks at`))),
    ...floor.cameras.filter((one) => one.place_m && !placed.has(one.camera_id)).map((one) => svg("polygon", { class: "cone",
      points: hull([one.place_m, ...one.measured_m].map(at)).map((point) => point.join(",")).join(" ") })),
    ...floor.cameras.map((one) => svg("polygon", { points: hull(one.measured_m.map(at)).map((point) => point.join(",")).join(" "), class: "seen" },
      svg("title", {}, t`what ${one.name} surely sees`))),
    ...cells.map((cell) => svg("polygon", { class: "hot", points: line(cell.corners_m), opacity: 0.12 + (0.7 * cell.count) / most }, svg("title", {}, t`${cell.count} in the last day`))),
    ...scale(wide, width),
    ...arrows(places),
    ...hung.map((one) => {
      const [x, y] = places.get(one.id);
      const away = Math.hypot(x - at(one.place)[0], y - at(one.place)[1]) * (wide / width);
      const words = away ? t`${one.name}, ${whole(Math.ceil(away))} m beyond` : one.name;
      const isRight = x + 11 + words.length * LETTER_PX > width && x > width / 2;
      const doubt = one.isAssumed ? [svg("title", {}, t`No picture of ${one.name} came yet: its place is as if they were 16:9.`)] : [];
      return svg("g", away ? { class: "beyond" } : {}, ...doubt, svg("rect", { x: x - 7, y: y - 7, width: 14, height: 14, rx: 3, class: "camera" }),
        svg("text", { x: isRight ? x - 11 : x + 11, y: y + 4, "text-anchor": isRight ? "end" : "start" }, words));
    }),
    ...floor.dots.map((dot) => {
      // Whoever is beyond what is drawn is at its edge, pale: as many dots as are told.
      const [right, down] = at([dot.x_m, dot.y_m]);
      const [x, y] = [within(right, width), within(down, height)];
      return svg("g", x === right && y === down ? {} : { class: "beyond" }, svg("circle", { cx: x, cy: y, r: Math.min(40, (dot.error_m / wide) * width), class: "doubt" }),
        svg("circle", { cx: x, cy: y, r: 6, class: dot.is_person ? "person" : "vehicle" }, svg("title", {}, t`seen by ${dot.cameras.join(", ")}; ± ${fixed(dot.error_m, 1)} m`)));
    }));
}

/** The far edge of what a drawn camera looks at. */
function edge(one) {
  const steps = Math.max(2, Math.ceil(one.view_deg / 10));
  return Array.from({ length: steps + 1 }, (_, number) => {
    const angle = ((one.heading_deg - one.view_deg / 2 + (one.view_deg * number) / steps) * Math.PI) / 180;
    return [one.place_m[0] + Math.cos(angle) * one.range_m, one.place_m[1] + Math.sin(angle) * one.range_m];
  });
}

const corners = (plan) => (plan?.width_px ? [[0, 0], [plan.width_px, plan.height_px]].map(([x, y]) => [(x - plan.origin_px[0]) / plan.px_per_m, (plan.origin_px[1] - y) / plan.px_per_m]) : []);

function picture(plan, at, pixels) {
  if (!plan?.plan_sha256) return [];
  const [x, y] = at(corners(plan)[0]);
  const unit = pixels / plan.px_per_m;
  return [svg("image", { href: `/map/plan/${plan.plan_sha256}.jpg`, x, y, width: plan.width_px * unit, height: plan.height_px * unit })];
}

function arrows(places) {
  const sums = new Map();
  for (const cell of flows) {
    const key = `${cell.from_camera} ${cell.to_camera}`;
    if (places.has(cell.from_camera) && places.has(cell.to_camera)) sums.set(key, (sums.get(key) || 0) + cell.count);
  }
  const most = Math.max(1, ...sums.values());
  return [...sums].map(([key, count]) => {
    const [from, to] = key.split(" ").map((id) => places.get(id));
    const bend = [(from[0] + to[0]) / 2 - (to[1] - from[1]) * 0.12, (from[1] + to[1]) / 2 + (to[0] - from[0]) * 0.12];
    return svg("path", { d: `M${from} Q${bend} ${to}`, class: "flow", "stroke-width": 1.5 + (6 * count) / most, "marker-end": "url(#tip)" },
      svg("title", {}, t`${key.replace(" ", " → ")}: ${count} in the last day`));
  });
}

function scale(wide, width) {
  const metres = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].find((one) => one >= wide / 8) || 2000;
  const long = (metres / wide) * width;
  return [svg("line", { x1: width - EDGE - long, x2: width - EDGE, y1: EDGE, y2: EDGE, class: "scale" }),
    svg("text", { x: width - EDGE, y: EDGE + 18, "text-anchor": "end" }, `${metres} m`)];
}

/** Convex hull (Andrew's monotone chain). */
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (list) => {
    const out = [];
    for (const point of list) {
      while (out.length > 1 && cross(out[out.length - 2], out[out.length - 1], point) <= 0) out.pop();
      out.push(point);
    }
    return out.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}
const cross = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);

const inside = ([x, y], width, height) => [Math.min(Math.max(x, EDGE), width - EDGE), Math.min(Math.max(y, EDGE), height - 2 * EDGE)];

listen(() => { if (newest) draw(newest); });
$("heat-on").disabled = false;
$("heat-on").addEventListener("change", loadHeat);
$("floor").addEventListener("change", () => { if (newest) draw(newest); });
loadFlows();
setInterval(loadFlows, 300_000);
setInterval(loadHeat, 300_000);
poll("/api/v1/map", 1, draw);

function within(value, end) {
  return Math.min(Math.max(value, 6), end - 6);
}
