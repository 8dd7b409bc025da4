// Time on a canvas: a window that is zoomed and moved, ticks, a cursor, now. What lies below the ticks is drawn by who
// extends it. Emits "scrub" {ns, isFinal, and y where a drag begins} and "window" when it was moved or zoomed. Fetches nothing.
import { clockText, dateText, shortDateText } from "./dom.js";
import { t } from "./words.js";

const HOUR_S = 3600;
const STEPS_S = [10, 30, 60, 120, 300, 600, 1800, HOUR_S, 2 * HOUR_S, 3 * HOUR_S, 6 * HOUR_S, 12 * HOUR_S, 24 * HOUR_S,
  48 * HOUR_S, 96 * HOUR_S, 168 * HOUR_S];
const DAY_S = 24 * HOUR_S;
const MIN_SPAN_NS = 60e9;
export const TICKS_PX = 22;

export class Axis extends EventTarget {
  constructor(canvas, tip, maxSpanNs) {
    super();
    this.canvas = canvas;
    this.tip = tip;
    this.maxSpanNs = maxSpanNs;
    this.data = null;
    this.spanNs = 600e9;
    this.endNs = 0;
    this.cursorNs = null;
    this.nowNs = 0;
    this.isDragging = false;
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    addEventListener("themechange", () => this.draw());
  }

  /** Below the ticks. To be given by who extends this. */
  drawRows(_context, _ink) {}

  /** What is to be said about a place, beside its time. */
  wordsAt(_ns, _y) { return ""; }

  get startNs() { return this.endNs - this.spanNs; }

  setWindow(endNs, spanNs = this.spanNs) {
    this.spanNs = this.#bounded(spanNs);
    this.endNs = Math.min(endNs, this.nowNs + this.spanNs * 0.03);
    this.draw();
    this.dispatchEvent(new Event("window"));
  }

  #bounded(spanNs) { return Math.min(this.maxSpanNs, Math.max(MIN_SPAN_NS, spanNs)); }

  /** Zoom so that the moment under `atNs` stays where it is. */
  zoom(factor, atNs = this.cursorNs ?? this.endNs) {
    const share = Math.min(1, Math.max(0, (atNs - this.startNs) / this.spanNs));
    const span = this.#bounded(this.spanNs * factor);
    this.setWindow(atNs + (1 - share) * span, span);
  }

  setCursor(ns, { isKeptInView = true } = {}) {
    this.cursorNs = ns;
    if (isKeptInView && !this.isDragging && (ns < this.startNs || ns > this.endNs)) this.setWindow(ns + this.spanNs / 2);
    else this.draw();
    this.canvas.setAttribute("aria-valuenow", String(Math.round(Math.min(100, Math.max(0, ((ns - this.startNs) / this.spanNs) * 100)))));
    this.canvas.setAttribute("aria-valuetext", `${dateText(ns)} ${clockText(ns)}`);
  }

  xOf(ns) { return ((ns - this.startNs) / this.spanNs) * this.canvas.clientWidth; }
  nsOf(x) { return this.startNs + (x / this.canvas.clientWidth) * this.spanNs; }

  #listen() {
    const canvas = this.canvas;
    const at = (event) => Math.min(this.nowNs, this.nsOf(event.clientX - canvas.getBoundingClientRect().left));
    let panFrom = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus();
      if (event.button === 1 || event.shiftKey) {
        panFrom = { x: event.clientX, endNs: this.endNs };
        return;
      }
      if (event.button !== 0) return;
      this.isDragging = true;
      this.#emit(at(event), false, event.clientY - canvas.getBoundingClientRect().top);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (panFrom) this.setWindow(panFrom.endNs - ((event.clientX - panFrom.x) / canvas.clientWidth) * this.spanNs);
      else if (this.isDragging) this.#emit(at(event), false);
      this.#showTip(event);
    });
    const release = (event) => {
      if (this.isDragging) {
        this.isDragging = false;
        this.#emit(at(event), true);
      }
      panFrom = null;
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.setWindow(this.endNs + (event.deltaX / canvas.clientWidth) * this.spanNs);
      } else {
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, at(event));
      }
    }, { passive: false });
  }

  #emit(ns, isFinal, y = null) {
    this.cursorNs = ns;
    this.draw();
    this.dispatchEvent(new CustomEvent("scrub", { detail: { ns, isFinal, y } }));
  }

  #showTip(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const ns = this.nsOf(x);
    const words = ns > this.nowNs ? t`not yet` : this.wordsAt(ns, event.clientY - box.top);
    const day = this.spanNs > DAY_S * 1e9 ? `${dateText(ns)} ` : "";
    this.tip.textContent = `${day}${clockText(ns)}${words ? ` · ${words}` : ""}`;
    this.tip.hidden = false;
    const half = this.tip.offsetWidth / 2;
    this.tip.style.left = `${Math.min(box.width - half, Math.max(half, x))}px`;
  }

  draw() {
    const canvas = this.canvas;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    const ratio = Math.min(3, devicePixelRatio || 1);
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const ink = (name) => style.getPropertyValue(name).trim();
    this.#drawTicks(context, width, height, ink);
    if (this.data) this.drawRows(context, ink);
    this.#drawLine(context, this.nowNs, ink("--now"), height, t`now`);
    if (this.cursorNs !== null) this.#drawCursor(context, ink("--cursor"), height);
  }

  #drawTicks(context, width, height, ink) {
    const wanted = (this.spanNs / 1e9) * (90 / width);
    const stepS = STEPS_S.find((step) => step >= wanted) || STEPS_S.at(-1);
    const zoneNs = new Date(this.endNs / 1e6).getTimezoneOffset() * 60e9;
    const stepNs = stepS * 1e9;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let ns = Math.ceil((this.startNs - zoneNs) / stepNs) * stepNs + zoneNs; ns < this.endNs; ns += stepNs) {
      const x = Math.round(this.xOf(ns)) + 0.5;
      context.strokeStyle = ink("--line");
      context.beginPath();
      context.moveTo(x, TICKS_PX - 5);
      context.lineTo(x, height);
      context.stroke();
      context.fillStyle = ink("--muted");
      const text = stepS < 60 ? clockText(ns) : stepS < DAY_S ? clockText(ns).slice(0, 5) : shortDateText(ns);
      if (x > 16 && x < width - 20) context.fillText(text, x - context.measureText(text).width / 2, 8);
    }
  }

  /** Where a stretch lies, as x and width in pixels, at least a visible one; null when it is outside. */
  spanPx(start, end) {
    const from = Math.max(0, this.xOf(start));
    const to = Math.min(this.canvas.clientWidth, this.xOf(end));
    return to < 0 || from > this.canvas.clientWidth ? null : [from, Math.max(1.5, to - from)];
  }

  #drawLine(context, ns, colour, height, word) {
    const x = Math.round(this.xOf(ns)) + 0.5;
    if (x < 0 || x > this.canvas.clientWidth) return;
    context.strokeStyle = colour;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = colour;
    context.fillText(word, Math.min(x + 4, this.canvas.clientWidth - context.measureText(word).width - 2), height - 7);
  }

  #drawCursor(context, colour, height) {
    const x = Math.round(this.xOf(this.cursorNs)) + 0.5;
    if (x < -8 || x > this.canvas.clientWidth + 8) return;
    context.strokeStyle = colour;
    context.fillStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, 4);
    context.lineTo(x, height);
    context.stroke();
    context.beginPath();
    context.moveTo(x - 6, 0);
    context.lineTo(x + 6, 0);
    context.lineTo(x + 6, 6);
    context.lineTo(x, 12);
    context.lineTo(x - 6, 6);
    context.fill();
    context.lineWidth = 1;
  }
}

/** A stretch that was not recorded: hatched, so that nobody takes it for anything else. */
export function drawHatch(context, ink, [x, width], y, height) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.fillStyle = ink("--gap-back");
  context.fillRect(x, y, width, height);
  context.strokeStyle = ink("--gap");
  context.lineWidth = 1.5;
  for (let at = x - height; at < x + width; at += 6) {
    context.beginPath();
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
    context.stroke();
  }
  context.restore();
}

/** What is said about a gap. */
export const gapWords = (gap, durationText) => t`not recorded: ${gap.words} (${durationText((gap.end_ns - gap.start_ns) / 1e9)})`;
