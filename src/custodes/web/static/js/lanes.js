// One lane a camera on one axis of time: recorded, gaps, held, analysed, tracks and crossings. See axis.js.
import { Axis, TICKS_PX, drawHatch, gapWords } from "./axis.js";
import { durationText } from "./dom.js";
import { t } from "./words.js";

const MAX_SPAN_NS = 31 * 24 * 3600e9;
export const LANE_PX = 34;
const ROWS = { recorded: 12, analysed: 2, marks: 14 };
const MARK_ROWS = 3;
const INKS = ["--people", "--vehicles", "--line-strong"];

export class Lanes extends Axis {
  constructor(canvas, tip) {
    super(canvas, tip, MAX_SPAN_NS);
    this.leadId = "";
  }

  /** As high as its lanes. */
  fit(count) {
    const height = `${TICKS_PX + Math.max(1, count) * LANE_PX}px`;
    this.canvas.style.height = height;
    document.documentElement.style.setProperty("--lanes-height", height); // pictures leave room for it
  }

  laneOf(id) { return this.data?.lanes.find((lane) => lane.camera_id === id) || null; }
  laneAt(y) { return this.data?.lanes[Math.floor((y - TICKS_PX) / LANE_PX)] || null; }
  gapAt(lane, ns) { return lane?.gaps.find((gap) => gap.start_ns <= ns && ns <= gap.end_ns) || null; }
  holdAt(lane, ns) { return lane?.holds.find((hold) => hold.start_ns <= ns && ns <= hold.end_ns) || null; }
  isRecorded(lane, ns) { return Boolean(lane?.recorded.some(([start, end]) => start <= ns && ns <= end)); }

  wordsAt(ns, y) {
    const lane = this.laneAt(y);
    if (!lane) return "";
    const gap = this.gapAt(lane, ns);
    const hold = this.holdAt(lane, ns);
    const words = gap ? gapWords(gap, durationText) : this.isRecorded(lane, ns) ? "" : t`nothing recorded`;
    return [lane.name, words, hold ? t`held by ${hold.owner}` : ""].filter(Boolean).join(" · ");
  }

  /** The next beginning of a track in a lane after a moment, or the one before it; null when there is none. */
  markFrom(lane, ns, isForward) {
    const marks = [...(lane?.tracks ?? []).map(([start]) => start), ...(this.data?.is_close ? [] : lane?.seen ?? []).map(([start]) => start)];
    const beyond = marks.filter((mark) => (isForward ? mark > ns + 5e7 : mark < ns - 5e7));
    if (!beyond.length) return null;
    return isForward ? Math.min(...beyond) : Math.max(...beyond);
  }

  drawRows(context, ink) {
    this.data.lanes.forEach((lane, index) => this.#drawLane(context, ink, lane, TICKS_PX + index * LANE_PX));
  }

  #drawLane(context, ink, lane, top) {
    if (lane.camera_id === this.leadId) {
      context.fillStyle = ink("--raised");
      context.fillRect(0, top, this.canvas.clientWidth, LANE_PX);
    }
    const fill = (stretches, colour, y, height) => {
      context.fillStyle = ink(colour);
      for (const [start, end] of stretches) {
        const span = this.spanPx(start, end);
        if (span) context.fillRect(span[0], y, span[1], height);
      }
    };
    const y = top + 2;
    fill(lane.recorded, "--recorded", y, ROWS.recorded);
    for (const gap of lane.gaps) {
      const span = this.spanPx(gap.start_ns, gap.end_ns);
      if (span) drawHatch(context, ink, span, y, ROWS.recorded);
    }
    fill(lane.holds.map((hold) => [hold.start_ns, hold.end_ns]), "--held", y, 3);
    fill(lane.analysed, "--analysed", y + ROWS.recorded + 1, ROWS.analysed);
    const below = y + ROWS.recorded + ROWS.analysed + 2;
    if (!this.data.is_close || this.data.is_truncated) fill(lane.seen, "--line-strong", below + 4, ROWS.marks - 8);
    this.#drawTracks(context, ink, lane.tracks, below);
    this.#drawCrossings(context, ink, lane.crossings, below);
    context.fillStyle = ink("--line");
    context.fillRect(0, top + LANE_PX - 1, this.canvas.clientWidth, 1);
  }

  /** Tracks that overlap in time lie above each other, as far as there is room. */
  #drawTracks(context, ink, tracks, top) {
    const ends = new Array(MARK_ROWS).fill(-Infinity);
    const height = ROWS.marks / MARK_ROWS;
    const colours = INKS.map(ink);
    for (const [start, end, kind] of tracks) {
      const span = this.spanPx(start, end);
      if (!span) continue;
      let row = ends.findIndex((one) => one < span[0]);
      if (row < 0) row = ends.indexOf(Math.min(...ends));
      ends[row] = span[0] + span[1] + 1;
      context.fillStyle = colours[kind];
      context.fillRect(span[0], top + row * height, span[1], height - 1);
    }
  }

  #drawCrossings(context, ink, crossings, top) {
    context.fillStyle = ink("--text");
    for (const [ns, , isForward] of crossings) {
      const span = this.spanPx(ns, ns);
      if (!span) continue;
      const x = span[0];
      context.beginPath();
      context.moveTo(x + (isForward ? -3 : 3), top);
      context.lineTo(x + (isForward ? 3 : -3), top + ROWS.marks / 2);
      context.lineTo(x + (isForward ? -3 : 3), top + ROWS.marks);
      context.fill();
    }
  }
}
