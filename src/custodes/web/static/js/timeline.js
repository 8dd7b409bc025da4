// The recorded timeline of one camera on a canvas: recorded stretches, gaps, analysis, lanes of tracks. See axis.js.
import { Axis, TICKS_PX, drawHatch, gapWords } from "./axis.js";
import { durationText } from "./dom.js";
import { t } from "./words.js";

const MAX_SPAN_NS = 24 * 3600e9;
const ROWS = { recorded: 16, analysed: 5, lane: 30, space: 6 };
const MAX_LANES = 4;

export class Timeline extends Axis {
  constructor(canvas, tip) {
    super(canvas, tip, MAX_SPAN_NS);
  }

  gapAt(ns) { return this.data?.gaps.find((gap) => gap.start_ns <= ns && ns <= gap.end_ns) || null; }
  holdAt(ns) { return this.data?.holds.find((hold) => hold.start_ns <= ns && ns <= hold.end_ns) || null; }
  isRecorded(ns) { return Boolean(this.data?.recorded.some(([start, end]) => start <= ns && ns <= end)); }

  wordsAt(ns) {
    const gap = this.gapAt(ns);
    return gap ? gapWords(gap, durationText) : this.isRecorded(ns) ? "" : t`nothing recorded`;
  }

  drawRows(context, ink) {
    this.#drawRecording(context, ink);
    const top = TICKS_PX + ROWS.recorded + ROWS.analysed + ROWS.space * 2;
    this.#drawLane(context, ink, "people", top);
    this.#drawLane(context, ink, "vehicles", top + ROWS.space + ROWS.lane);
  }

  #drawRecording(context, ink) {
    const y = TICKS_PX;
    context.fillStyle = ink("--recorded");
    for (const [start, end] of this.data.recorded) {
      const span = this.spanPx(start, end);
      if (span) context.fillRect(span[0], y, span[1], ROWS.recorded);
    }
    for (const gap of this.data.gaps) {
      const span = this.spanPx(gap.start_ns, gap.end_ns);
      if (span) drawHatch(context, ink, span, y, ROWS.recorded);
    }
    context.fillStyle = ink("--held");
    for (const hold of this.data.holds) {
      const span = this.spanPx(hold.start_ns, hold.end_ns);
      if (span) context.fillRect(span[0], y, span[1], 3);
    }
    context.fillStyle = ink("--analysed");
    for (const [start, end] of this.data.coverage) {
      const span = this.spanPx(start, end);
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
      const span = this.spanPx(track.start_ns, track.end_ns);
      if (!span) continue;
      let row = ends.findIndex((end) => end < span[0]);
      if (row < 0) row = ends.indexOf(Math.min(...ends));
      ends[row] = span[0] + span[1] + 1;
      context.fillRect(span[0], top + row * rowHeight + 1, span[1], rowHeight - 2);
    }
  }
}
