// The map page: cameras of a floor, dots of who is there now, arrows of the day's flows.
import { ask, nowNs, poll } from "./common.js";
import { $, el, plural, say, svg } from "./dom.js";

const SIZE = 900;
let flows = [];

async function loadFlows() {
  const toNs = Math.floor(nowNs() / 3.6e12) * 3.6e12;
  try {
    const body = await ask(`/api/v1/flows?from=${BigInt(toNs - 24 * 3.6e12)}&to=${BigInt(toNs)}`);
    flows = body.hours.flatMap((hour) => hour.cells);
  } catch { flows = []; }
}

function draw(body) {
  const floors = body.floors;
  const select = $("floor");
  const names = floors.map((floor) => floor.name);
  if ([...select.options].map((one) => one.value).join("\n") !== names.join("\n")) {
    const before = select.value;
    select.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    if (names.includes(before)) select.value = before;
  }
  const floor = floors.find((one) => one.name === select.value) || floors[0];
  $("empty").hidden = Boolean(floor);
  if (!floor) { $("map").replaceChildren(); return; }
  const people = floor.dots.filter((dot) => dot.is_person).length;
  say($("well"), `${plural(people, "person", "people")}, ${plural(floor.dots.length - people, "vehicle", "vehicles")} now; ${plural(floor.cameras.length, "camera", "cameras")}`);
  const points = floor.cameras.flatMap((one) => [...one.measured_m, ...(one.place_m ? [one.place_m] : [])]);
  const xs = points.map((point) => point[0]);
  const ys = points.map((point) => point[1]);
  const low = [Math.min(...xs) - 3, Math.min(...ys) - 3];
  const span = Math.max(Math.max(...xs) + 3 - low[0], Math.max(...ys) + 3 - low[1]);
  const at = ([x, y]) => [((x - low[0]) / span) * SIZE, SIZE - ((y - low[1]) / span) * SIZE];
  const node = $("map");
  node.setAttribute("viewBox", `0 0 ${SIZE} ${SIZE}`);
  const places = new Map(floor.cameras.map((one) => [one.camera_id, at(one.place_m || one.measured_m[0])]));
  node.replaceChildren(
    svg("defs", {}, svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 5, markerHeight: 5, orient: "auto" },
      svg("path", { d: "M0,0 L8,4 L0,8 z", class: "tip" }))),
    ...floor.cameras.map((one) => svg("polygon", { points: hull(one.measured_m.map(at)).map((point) => point.join(",")).join(" "), class: "seen" },
      svg("title", {}, `what ${one.name} surely sees`))),
    ...scale(span),
    ...arrows(places),
    ...floor.cameras.map((one) => {
      const [x, y] = places.get(one.camera_id);
      return svg("g", {}, svg("rect", { x: x - 7, y: y - 7, width: 14, height: 14, rx: 3, class: "camera" }),
        svg("text", { x: x + 11, y: y + 4 }, one.name));
    }),
    ...floor.dots.map((dot) => {
      const [x, y] = at([dot.x_m, dot.y_m]);
      return svg("g", {}, svg("circle", { cx: x, cy: y, r: Math.min(40, (dot.error_m / span) * SIZE), class: "doubt" }),
        svg("circle", { cx: x, cy: y, r: 6, class: dot.is_person ? "person" : "vehicle" }, svg("title", {}, `seen by ${dot.cameras.join(", ")}; ± ${dot.error_m.toFixed(1)} m`)));
    }));
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
      svg("title", {}, `${key.replace(" ", " → ")}: ${count} in the last day`));
  });
}

function scale(span) {
  const metres = [1, 2, 5, 10, 20, 50, 100].find((one) => one >= span / 8) || 100;
  const long = (metres / span) * SIZE;
  return [svg("line", { x1: 20, x2: 20 + long, y1: SIZE - 18, y2: SIZE - 18, class: "scale" }),
    svg("text", { x: 20, y: SIZE - 26 }, `${metres} m`)];
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

loadFlows();
setInterval(loadFlows, 300_000);
poll("/api/v1/map", 1, draw);
