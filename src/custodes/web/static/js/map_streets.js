// Streets beneath a floor: pictures in Web Mercator from the site's own file, turned and scaled into the floor's metres.
import { $, svg } from "./dom.js";

const where = JSON.parse($("map")?.dataset.streets || "null");
const ROUND_EARTH_M = 2 * Math.PI * 6378137;
const MOST = 64;

/** Column and row, with fractions, of a place in metres of the floor. */
function tileOf([x, y], zoom, centre, turn, metres) {
  const east = x * Math.cos(turn) + y * Math.sin(turn);
  const north = -x * Math.sin(turn) + y * Math.cos(turn);
  return [centre[0] * 2 ** zoom + east / metres, centre[1] * 2 ** zoom - north / metres];
}

/** Images for the drawing. `at`: metres → drawing; `span`: metres across; `view`: what of the floor is shown. */
export function streets(floor, at, span, view) {
  if (!where || (where.floor && where.floor !== floor)) return [];
  const turn = (where.bearing * Math.PI) / 180;
  const latitude = (where.latitude * Math.PI) / 180;
  const centre = [(where.longitude + 180) / 360, (1 - Math.log(Math.tan(latitude) + 1 / Math.cos(latitude)) / Math.PI) / 2];
  // A tile of some 200 units of the drawing: sharp enough, and few.
  const wanted = Math.log2((ROUND_EARTH_M * Math.cos(latitude) * view.size) / (span * 200));
  const zoom = Math.min(Math.max(Math.round(wanted), where.low), where.high);
  const metres = (ROUND_EARTH_M * Math.cos(latitude)) / 2 ** zoom;
  const side = (metres / span) * view.size;
  const ends = [[0, 0], [view.wide, 0], [0, view.high], [view.wide, view.high]]
    .map(([x, y]) => tileOf([view.low[0] + x, view.low[1] + y], zoom, centre, turn, metres));
  const first = [0, 1].map((axis) => Math.floor(Math.min(...ends.map((one) => one[axis]))));
  const last = [0, 1].map((axis) => Math.floor(Math.max(...ends.map((one) => one[axis]))));
  if ((last[0] - first[0] + 1) * (last[1] - first[1] + 1) > MOST) return [];
  const [left, top] = at([0, 0]);
  const found = [];
  for (let column = first[0]; column <= last[0]; column += 1) {
    for (let row = first[1]; row <= last[1]; row += 1) {
      found.push(svg("image", { href: `/map/tiles/${zoom}/${column}/${row}`, width: side + 0.5, height: side + 0.5,
        x: (column - centre[0] * 2 ** zoom) * side, y: (row - centre[1] * 2 ** zoom) * side }));
    }
  }
  return [svg("g", { transform: `translate(${left} ${top}) rotate(${-where.bearing})`, class: "streets" }, ...found)];
}
