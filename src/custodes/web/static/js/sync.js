// Several players on one clock. The clock waits for who has nothing to show, but not for ever; who is ahead of it (a gap
// in the recording) waits for it; drift is worked off by the playback rate, and by a jump when it is large.

const TICK_MS = 100;
const PATIENCE_MS = 8000; // a job starts in one to three seconds; a busy machine takes longer
const JUMP_S = 0.5; // more drift than this, in play time, is jumped over
const AHEAD_S = 0.12; // further ahead than this stands still until the clock has come
const SKIP_S = 2; // when all are further ahead than this, nobody recorded in between
const RATE_SPAN = 0.1; // a rate that differs by a tenth is not noticed
const DRY_S = 0.05;

export class Conductor extends EventTarget {
  #parts;
  #base = { ns: 0, ms: 0 };
  #timer = 0;
  #heldSinceMs = null;

  /** `parts`: of each {player, state}; state is set here: opening, playing, ahead, late, over. */
  constructor(parts, fromNs, speed) {
    super();
    this.#parts = parts;
    this.speed = speed;
    this.isRunning = false;
    this.driftMs = 0; // the largest of those that play, at the last tick
    this.#base = { ns: fromNs, ms: performance.now() };
  }

  get nowNs() {
    return this.isRunning ? this.#base.ns + (performance.now() - this.#base.ms) * 1e6 * this.speed : this.#base.ns;
  }

  start() {
    this.#heldSinceMs = performance.now();
    for (const part of this.#parts) {
      part.state = "opening";
      part.player.start();
    }
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#run(false);
    for (const { player } of this.#parts) {
      player.stop();
      player.video.pause();
    }
  }

  #run(isWanted, ns = this.nowNs) {
    this.#base = { ns, ms: performance.now() };
    this.isRunning = isWanted;
    if (!isWanted) for (const { player } of this.#parts) player.video.pause();
  }

  #tick() {
    const now = performance.now();
    for (const part of this.#parts) this.#judge(part);
    const going = this.#parts.filter((part) => part.state !== "over");
    if (!going.length) {
      this.#run(false);
      this.dispatchEvent(new Event("over"));
      return;
    }
    const waiting = going.filter((part) => part.isDry && part.state !== "late");
    if (waiting.length) {
      if (this.isRunning) this.#run(false);
      this.#heldSinceMs ??= now;
      if (now - this.#heldSinceMs > PATIENCE_MS) for (const part of waiting) part.state = "late";
    } else if (!this.isRunning && going.some((part) => !part.isDry)) {
      this.#heldSinceMs = null;
      this.#run(true);
    }
    if (this.isRunning) this.#steer(going.filter((part) => !part.isDry));
    this.dispatchEvent(new Event("tick"));
  }

  #judge(part) {
    const { player } = part;
    const isEnd = player.state === "ended" && player.cushionS < DRY_S;
    if (isEnd || player.state === "refused" || player.state === "closed") {
      part.state = "over";
      player.video.pause();
      return;
    }
    const isShort = player.cushionS < DRY_S && player.state !== "ended";
    part.isDry = player.shownNs === null || (isShort && this.#lag(part) < -DRY_S * 4);
    if (part.isDry && part.state !== "late") part.state = "opening";
  }

  /** Seconds of play time by which a part is ahead of the clock. */
  #lag({ player }) { return (player.shownNs - this.nowNs) / 1e9 / this.speed; }

  #steer(parts) {
    const leads = parts.map((part) => this.#lag(part));
    if (leads.length && Math.min(...leads) > SKIP_S) {
      this.#run(true, Math.min(...parts.map((part) => part.player.shownNs)));
      this.dispatchEvent(new Event("skip"));
      return;
    }
    let worst = 0;
    parts.forEach((part, index) => {
      const { player } = part;
      const { video } = player;
      let lead = leads[index];
      if (lead < -JUMP_S && player.jumpTo(this.nowNs)) lead = 0;
      if (lead > AHEAD_S) {
        // also the first picture of a view may lie a little behind the asked moment
        part.state = lead > JUMP_S ? "ahead" : part.state;
        if (!video.paused) video.pause();
        return;
      }
      part.state = lead < -JUMP_S ? "late" : "playing";
      const rate = 1 + Math.min(RATE_SPAN, Math.max(-RATE_SPAN, -lead));
      if (Math.abs(video.playbackRate - rate) > 0.01) video.playbackRate = rate;
      if (video.paused) video.play().catch(() => { /* asked again with the next tick */ });
      if (part.state === "playing") worst = Math.max(worst, Math.abs(lead) * 1000);
    });
    this.driftMs = worst;
  }
}
