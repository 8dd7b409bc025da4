// The recorded timeline on a canvas: recorded stretches, gaps, analysis, lanes of tracks, cursor, now.
// Emits "scrub" {ns, isFinal} and "window" when it was moved or zoomed. Fetches nothing.
import { clockText, dateText, durationText } from "./dom.js";

const STEPS_S = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600];
const MIN_SPAN_NS = 60e9;
const MAX_SPAN_NS = 24 * 3600e9;
const ROWS = { ticks: 22, recorded: 16, analysed: 5, lane: 30, space: 6 };
const MAX_LANES = 4;

export class Timeline extends EventTarget {
  constructor(canvas, tip) {
    super();
    this.canvas = canvas;
    this.tip = tip;
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

  get startNs() { return this.endNs - this.spanNs; }

  setWindow(endNs, spanNs = this.spanNs) {
    this.spanNs = Math.min(MAX_SPAN_NS, Math.max(MIN_SPAN_NS, spanNs));
    this.endNs = Math.min(endNs, this.nowNs + this.spanNs * 0.03);
    this.draw();
    this.dispatchEvent(new Event("window"));
  }

  /** Zoom so that the moment under `atNs` stays where it is. */
  zoom(factor, atNs = this.cursorNs ?? this.endNs) {
    const share = Math.min(1, Math.max(0, (atNs - this.startNs) / this.spanNs));
    const span = Math.min(MAX_SPAN_NS, Math.max(MIN_SPAN_NS, this.spanNs * factor));
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

  gapAt(ns) { return this.data?.gaps.find((gap) => gap.start_ns <= ns && ns <= gap.end_ns) || null; }
  holdAt(ns) { return this.data?.holds.find((hold) => hold.start_ns <= ns && ns <= hold.end_ns) || null; }
  isRecorded(ns) { return Boolean(this.data?.recorded.some(([start, end]) => start <= ns && ns <= end)); }

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
      this.#emit(at(event), false);
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

  #emit(ns, isFinal) {
    this.cursorNs = ns;
    this.draw();
    this.dispatchEvent(new CustomEvent("scrub", { detail: { ns, isFinal } }));
  }

  #showTip(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const ns = this.nsOf(x);
    const gap = this.gapAt(ns);
    const words = gap ? `not recorded: ${gap.words} (${durationText((gap.end_ns - gap.start_ns) / 1e9)})`
      : ns > this.nowNs ? "not yet" : this.isRecorded(ns) ? "" : "nothing recorded";
    this.tip.textContent = `${clockText(ns)}${words ? ` · ${words}` : ""}`;
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
    if (this.data) {
      this.#drawRecording(context, ink);
      this.#drawLane(context, ink, "people", ROWS.ticks + ROWS.recorded + ROWS.analysed + ROWS.space * 2);
      this.#drawLane(context, ink, "vehicles", ROWS.ticks + ROWS.recorded + ROWS.analysed + ROWS.space * 3 + ROWS.lane);
    }
    this.#drawLine(context, this.nowNs, ink("--now"), height, "now");
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
      context.moveTo(x, ROWS.ticks - 5);
      context.lineTo(x, height);
      context.stroke();
      context.fillStyle = ink("--muted");
      const text = stepS < 60 ? clockText(ns) : clockText(ns).slice(0, 5);
      if (x > 16 && x < width - 20) context.fillText(text, x - context.measureText(text).width / 2, 8);
    }
  }

  #span(start, end) {
    const from = Math.max(0, this.xOf(start));
    const to = Math.min(this.canvas.clientWidth, this.xOf(end));
    return to < 0 || from > this.canvas.clientWidth ? null : [from, Math.max(1.5, to - from)];
  }

  #drawRecording(context, ink) {
    const y = ROWS.ticks;
    context.fillStyle = ink("--recorded");
    for (const [start, end] of this.data.recorded) {
      const span = this.#span(start, end);
      if (span) context.fillRect(span[0], y, span[1], ROWS.recorded);
    }
    for (const gap of this.data.gaps) {
      const span = this.#span(gap.start_ns, gap.end_ns);
      if (!span) continue;
      context.save();
      context.beginPath();
      context.rect(span[0], y, span[1], ROWS.recorded);
      context.clip();
      context.fillStyle = ink("--gap-back");
      context.fillRect(span[0], y, span[1], ROWS.recorded);
      context.strokeStyle = ink("--gap");
      context.lineWidth = 1.5;
      for (let x = span[0] - ROWS.recorded; x < span[0] + span[1]; x += 6) {
        context.beginPath();
        context.moveTo(x, y + ROWS.recorded);
        context.lineTo(x + ROWS.recorded, y);
        context.stroke();
      }
      context.restore();
    }
    context.fillStyle = ink("--held");
    for (const hold of this.data.holds) {
      const span = this.#span(hold.start_ns, hold.end_ns);
      if (span) context.fillRect(span[0], y, span[1], 3);
    }
    context.fillStyle = ink("--analysed");
    for (const [start, end] of this.data.coverage) {
      const span = this.#span(start, end);
      if (span) context.fillRect(span[0], y + ROWS.recorded + 2, span[1], ROWS.analysed - 2);
    }
  }

  #drawLane(context, ink, lane, top) {
    context.fillStyle = ink("--lane");
    context.fillRect(0, top, this.canvas.clientWidth, ROWS.lane);
    // tracks that overlap in time lie above each other, as far as there is room
    const ends = new Array(MAX_LANES).fill(-Infinity);
    const rowHeight = ROWS.lane / MAX_LANES;
    context.fillStyle = ink(lane === "people" ? "--people" : "--vehicles");
    for (const track of this.data.tracks) {
      if (track.lane !== lane) continue;
      const span = this.#span(track.start_ns, track.end_ns);
      if (!span) continue;
      let row = ends.findIndex((end) => end < span[0]);
      if (row < 0) row = ends.indexOf(Math.min(...ends));
      ends[row] = span[0] + span[1] + 1;
      context.fillRect(span[0], top + row * rowHeight + 1, span[1], rowHeight - 2);
    }
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
    context.fillText(word, Math.min(x + 4, this.canvas.clientWidth - 26), height - 7);
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
