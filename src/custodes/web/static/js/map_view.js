// What part of a floor the map shows: all its ground at first, then what was zoomed to and dragged; by mouse, touch, keys.
import { $ } from "./dom.js";

const LEAST_ZOOM = 0.2;
const MOST_ZOOM = 40;
const STEP = 1.4;
const MOVE = 0.15; // of the shown width, for an arrow key
const NEAR = 0.75; // how far off its ground, in sizes of it, a camera may hang before it is drawn at the edge instead
const LEAST_PX = 280;
const MOST_HEIGHT = 0.72; // of the window

const views = new Map(); // floor → { zoom, by: metres from the middle of its ground }
let redraw = () => {};
let shown = null;

const boundsOf = (points) => [0, 1].map((axis) => [Math.min(...points.map((one) => one[axis])), Math.max(...points.map((one) => one[axis]))]);
const viewOf = (name) => views.get(name) || views.set(name, { zoom: 1, by: [0, 0] }).get(name);

/** The window of a floor. `ground`: points that have to be seen; `places`: of cameras, which are if they hang near;
 * `isExact`: no margin around it. Returns metres `low`, `wide`, `high`, pixels `width`, `height`, and `at`: metres →
 * drawing. */
export function windowOf(name, ground, places, isExact) {
  const base = ground.length ? ground : places;
  const [[left, right], [bottom, top]] = boundsOf(base);
  const reach = NEAR * Math.max(right - left, top - bottom, 1);
  const near = places.filter(([x, y]) => x >= left - reach && x <= right + reach && y >= bottom - reach && y <= top + reach);
  const [across, along] = boundsOf([...base, ...near]);
  const size = [across[1] - across[0], along[1] - along[0]];
  const pad = isExact ? 0 : Math.max(1, 0.08 * Math.max(...size));
  let wide = Math.max(size[0] + 2 * pad, 1);
  let high = Math.max(size[1] + 2 * pad, 1);
  const width = Math.max($("map").clientWidth, LEAST_PX);
  const height = Math.min(Math.max((width * high) / wide, LEAST_PX), Math.max(MOST_HEIGHT * innerHeight, LEAST_PX));
  // the rest of the panel shows what is beside it
  if (wide / high < width / height) wide = (high * width) / height;
  else high = (wide * height) / width;
  const { zoom, by } = viewOf(name);
  [wide, high] = [wide / zoom, high / zoom];
  const low = [(across[0] + across[1]) / 2 + by[0] - wide / 2, (along[0] + along[1]) / 2 + by[1] - high / 2];
  const at = ([x, y]) => [((x - low[0]) / wide) * width, height - ((y - low[1]) / high) * height];
  shown = { name, wide, width };
  return { low, wide, high, width, height, at };
}

export const isMoved = (name) => viewOf(name).zoom !== 1 || viewOf(name).by.some((one) => one !== 0);

function zoomBy(factor) {
  if (!shown) return;
  const view = viewOf(shown.name);
  view.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, view.zoom * factor));
  redraw();
}

function moveBy(right, down) {
  if (!shown) return;
  const view = viewOf(shown.name);
  const metres = shown.wide / shown.width;
  view.by = [view.by[0] - right * metres, view.by[1] + down * metres];
  redraw();
}

function whole() {
  if (shown) views.delete(shown.name);
  redraw();
}

/** Takes the mouse, fingers and keys of the map; `draw` draws it anew. */
export function listen(draw) {
  redraw = draw;
  const node = $("map");
  const actions = { "zoom-in": () => zoomBy(STEP), "zoom-out": () => zoomBy(1 / STEP), "zoom-fit": whole };
  for (const [id, act] of Object.entries(actions)) {
    $(id).disabled = false;
    $(id).addEventListener("click", act);
  }
  node.addEventListener("keydown", (event) => {
    const step = MOVE * (shown?.width || 0);
    const keys = { "+": actions["zoom-in"], "=": actions["zoom-in"], "-": actions["zoom-out"], 0: whole,
      ArrowLeft: () => moveBy(step, 0), ArrowRight: () => moveBy(-step, 0), ArrowUp: () => moveBy(0, step), ArrowDown: () => moveBy(0, -step) };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  node.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // without, the page scrolls
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? STEP : 1 / STEP);
  }, { passive: false });
  let held = null;
  node.addEventListener("pointerdown", (event) => { held = [event.clientX, event.clientY]; node.setPointerCapture(event.pointerId); });
  node.addEventListener("pointermove", (event) => {
    if (!held) return;
    moveBy(event.clientX - held[0], event.clientY - held[1]);
    held = [event.clientX, event.clientY];
  });
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, () => { held = null; });
  new ResizeObserver(() => redraw()).observe(node.parentElement);
}
