// One view over WebSocket into a <video> by Media Source Extensions. Reconnects; says what it is doing.
// A frozen picture never passes for a live one: after STALL_S without a chunk the state becomes "stalled".
import { closeSocket, socketUrl } from "./socket.js";
import { t } from "./words.js";

const STALL_S = 3;
const MAX_QUEUE = 240; // chunks; more means that the browser does not keep up
const CUSHION_S = 0.5; // video kept ahead of what is shown; below that every hiccup is a standstill
const FAR_S = 2.5; // further behind than this is not caught up with but jumped
const KEEP_S = 12; // played video kept in the buffer
const BACKOFF_S = [0.5, 1, 2, 4, 8, 15];
const REFUSED_RETRY_S = 60;

export class Player extends EventTarget {
  // state: connecting, playing, stalled, waiting, refused, ended, closed
  #socket = null;
  #source = null;
  #buffer = null;
  #objectUrl = "";
  #queue = [];
  #expects = "";
  #tries = 0;
  #retryTimer = 0;
  #watchTimer = 0;
  #isWanted = false;
  #lastChunkMs = 0;
  #wasMasked = false;
  #pendingChunk = null;
  #timeline = []; // [media end in s, utc_ns]: which moment is shown at which media time

  constructor(video, { path, isLive, opening = null, speed = 1, isConducted = false }) {
    super();
    this.video = video;
    this.path = path;
    this.isLive = isLive;
    this.isConducted = isConducted; // somebody else plays, pauses and paces the video (sync.js)
    this.opening = opening; // for review: called for the first message
    this.speed = speed; // media time is capture time divided by it (review/stream.py)
    this.state = "closed";
    this.message = "";
    this.ageMs = 0;
    this.isFullyMasked = false;
    this.sessionId = "";
    this.chunks = 0;
  }

  start() {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#tries = 0;
    this.#connect();
    this.#watchTimer = setInterval(() => this.#watch(), 500);
  }

  stop(message = "") {
    this.#isWanted = false;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watchTimer);
    this.#drop();
    this.#become("closed", message);
  }

  /** Seconds between the camera's moment and what the eye sees, by the server's word and our own buffer. */
  get delayS() {
    const video = this.video;
    if (!this.#buffer || !video.buffered.length) return null;
    const behind = Math.max(0, video.buffered.end(video.buffered.length - 1) - video.currentTime);
    return this.ageMs / 1000 + behind;
  }

  /** UTC of the picture shown now, or null. */
  get shownNs() {
    const time = this.video.currentTime;
    let best = null;
    for (const [endS, utcNs, startS] of this.#timeline) {
      if (startS <= time + 0.001) best = utcNs + Math.max(0, Math.min(time, endS) - startS) * 1e9 * this.speed;
    }
    return best;
  }

  /** Seconds of video that lie ahead of what is shown. */
  get cushionS() {
    const ranges = this.video.buffered;
    return ranges.length ? Math.max(0, ranges.end(ranges.length - 1) - this.video.currentTime) : 0;
  }

  /** Go to a moment that lies in the buffer; false when it does not. */
  jumpTo(ns) {
    let found = null;
    for (const [endS, utcNs, startS] of this.#timeline) {
      if (utcNs <= ns) found = Math.min(startS + (ns - utcNs) / 1e9 / this.speed, endS);
    }
    const ranges = this.video.buffered;
    if (found === null || !ranges.length || found > ranges.end(ranges.length - 1) || found < ranges.start(0)) return false;
    this.video.currentTime = found;
    return true;
  }

  get silentS() {
    return (performance.now() - this.#lastChunkMs) / 1000;
  }

  send(command) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  #become(state, message = "") {
    if (this.state === state && this.message === message) return;
    this.state = state;
    this.message = message;
    this.dispatchEvent(new Event("state"));
  }

  #connect() {
    this.#drop();
    this.#become("connecting", this.#tries ? t`Connecting again` : t`Connecting`);
    const socket = new WebSocket(socketUrl(this.path));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#lastChunkMs = performance.now();
    socket.addEventListener("open", () => {
      if (this.opening && socket === this.#socket) socket.send(JSON.stringify({ open: this.opening() }));
    });
    socket.addEventListener("message", (event) => {
      if (socket !== this.#socket) return;
      if (typeof event.data === "string") this.#onText(JSON.parse(event.data));
      else this.#onBinary(event.data);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.#socket) this.#onClose(event);
    });
  }

  #onText(message) {
    switch (message.type) {
      case "opened":
        this.sessionId = message.session_id;
        this.logIndex = message.log_index;
        break;
      case "init":
        this.#mime = message.mime;
        this.#expects = "init";
        break;
      case "chunk":
        this.#expects = "chunk";
        this.#pendingChunk = message;
        break;
      case "note":
        this.dispatchEvent(new CustomEvent("note", { detail: message }));
        break;
      case "ended":
        this.#endMessage = message.error || "";
        this.#steer();
        break;
      case "refused":
        this.#refusal = message;
        break;
    }
  }
  #mime = "";
  #refusal = null;
  #endMessage = null;

  #onBinary(payload) {
    if (this.#expects === "init") {
      this.#newSource(this.#mime, payload);
    } else if (this.#expects === "chunk") {
      const chunk = this.#pendingChunk;
      this.chunks += 1;
      this.#lastChunkMs = performance.now();
      this.ageMs = chunk.age_ms;
      this.isFullyMasked = chunk.is_fully_masked;
      if (this.#wasMasked !== chunk.is_fully_masked) {
        this.#wasMasked = chunk.is_fully_masked;
        this.dispatchEvent(new Event("state"));
      }
      this.#queue.push({ payload, utcNs: chunk.utc_ns });
      if (this.#queue.length > MAX_QUEUE) {
        this.#retry(t`The browser does not keep up`);
        return;
      }
      this.#pump();
      if (this.state !== "playing") this.#become("playing");
      if (this.silentS < 1 && this.#tries && this.chunks > 50) this.#tries = 0;
    }
    this.#expects = "";
  }

  #newSource(mime, init) {
    this.#closeSource();
    if (!("MediaSource" in window) || !MediaSource.isTypeSupported(mime)) {
      this.stop(t`This browser cannot play ${mime}.`);
      return;
    }
    const source = new MediaSource();
    this.#source = source;
    this.#queue = [{ payload: init, utcNs: null }];
    this.#timeline = [];
    this.#appending = null;
    this.#objectUrl = URL.createObjectURL(source);
    this.video.src = this.#objectUrl;
    source.addEventListener("sourceopen", () => {
      if (source !== this.#source) return;
      this.#buffer = source.addSourceBuffer(mime);
      this.#buffer.mode = "segments";
      const buffer = this.#buffer;
      buffer.addEventListener("updateend", () => { if (buffer === this.#buffer) this.#onAppended(); });
      this.#buffer.addEventListener("error", () => this.#retry(t`The picture could not be decoded`));
      this.#pump();
    }, { once: true });
    this.video.pause(); // until there is a cushion
  }

  #appending = null;
  #pump() {
    const buffer = this.#buffer;
    // `updating` is over before `updateend` is told: a chunk that comes in between would be taken for the one before
    if (!buffer || buffer.updating || this.#appending || this.#source?.readyState !== "open") return;
    const next = this.#queue.shift();
    if (!next) return;
    const ranges = buffer.buffered;
    this.#appending = { utcNs: next.utcNs, startS: ranges.length ? ranges.end(ranges.length - 1) : null };
    try {
      buffer.appendBuffer(next.payload);
    } catch (error) {
      this.#appending = null;
      if (error.name === "QuotaExceededError" && buffer.buffered.length) {
        this.#queue.unshift(next);
        buffer.remove(0, Math.max(0.1, this.video.currentTime - 1));
      } else {
        this.#retry(t`The picture could not be decoded`);
      }
    }
  }

  #onAppended() {
    const buffer = this.#buffer;
    if (!buffer) return;
    const ranges = buffer.buffered;
    if (this.#appending?.utcNs && ranges.length) {
      const endS = ranges.end(ranges.length - 1);
      const startS = this.#appending.startS ?? ranges.start(ranges.length - 1);
      if (endS > startS) this.#timeline.push([endS, this.#appending.utcNs, startS]);
      if (this.#timeline.length > 2000) this.#timeline.splice(0, 1000);
    }
    this.#appending = null;
    const time = this.video.currentTime;
    if (ranges.length && time - ranges.start(0) > KEEP_S * 2 && !buffer.updating) {
      buffer.remove(0, time - KEEP_S);
      return;
    }
    this.#steer();
    this.#pump();
  }

  /** Stay near the newest picture: a little faster when behind, a jump when far behind or before the start. */
  #steer() {
    const video = this.video;
    const ranges = video.buffered;
    if (!ranges.length) return;
    const endS = ranges.end(ranges.length - 1);
    if (video.currentTime < ranges.start(0)) video.currentTime = ranges.start(0);
    // A cushion is kept: Chromium that runs dry takes long to go on, whatever lies in the buffer by then.
    const behind = endS - video.currentTime;
    const isStuck = !(this.isConducted && video.paused) && this.#isStuck(behind);
    if (this.isLive) {
      if (behind > FAR_S || isStuck) video.currentTime = Math.max(ranges.start(ranges.length - 1), endS - CUSHION_S);
    } else {
      if (isStuck) video.currentTime += 0.05; // a seek makes it start afresh
      for (let index = 0; index + 1 < ranges.length; index += 1) {
        // a hole between two ranges: jump over it
        if (video.currentTime >= ranges.end(index) - 0.05 && video.currentTime < ranges.start(index + 1)) {
          video.currentTime = ranges.start(index + 1) + 0.001;
        }
      }
    }
    if (this.isConducted) return;
    const rate = this.isLive && behind > CUSHION_S * 2 ? 1.08 : behind < CUSHION_S / 2 ? 0.94 : 1;
    if (video.playbackRate !== rate) video.playbackRate = rate;
    if (video.paused && (behind >= CUSHION_S || this.#endMessage !== null)) {
      video.play().catch(() => { /* asked again with the next chunk */ });
    }
  }

  /** Whether the picture stands still although there is video ahead of it. */
  #isStuck(behind) {
    const now = performance.now();
    const time = this.video.currentTime;
    if (time !== this.#stuckAt.time || behind < CUSHION_S * 1.5) this.#stuckAt = { time, sinceMs: now };
    if (now - this.#stuckAt.sinceMs < 1000) return false;
    this.#stuckAt = { time, sinceMs: now };
    return true;
  }
  #stuckAt = { time: -1, sinceMs: 0 };

  #watch() {
    if (!["playing", "stalled"].includes(this.state) || !this.#buffer) return;
    if (this.isLive && this.silentS > STALL_S) {
      this.#become("stalled", t`No picture for ${Math.round(this.silentS)} s`);
      if (this.silentS > 20) this.#retry(t`No picture arrives`);
    } else {
      this.#steer();
    }
    this.dispatchEvent(new Event("tick"));
  }

  #onClose(event) {
    this.#socket = null;
    if (event.code === 4401) {
      location.assign("/login");
      return;
    }
    if (this.#refusal && this.#refusal.status < 500 && this.#refusal.status !== 429) {
      const message = this.#refusal.message;
      this.#refusal = null;
      this.#become("refused", message);
      if (this.isLive) this.#retryTimer = setTimeout(() => this.#isWanted && this.#connect(), REFUSED_RETRY_S * 1000);
      return;
    }
    if (!this.isLive && this.#endMessage !== null) {
      const message = this.#endMessage;
      this.#endMessage = null;
      this.#isWanted = false;
      clearInterval(this.#watchTimer);
      try { if (this.#source?.readyState === "open" && !this.#buffer?.updating) this.#source.endOfStream(); } catch { /* plays on */ }
      this.#become("ended", message);
      return;
    }
    const message = this.#refusal?.message || this.#endMessage || t`Connection lost`;
    this.#refusal = null;
    this.#endMessage = null;
    this.#retry(message);
  }

  #retry(message) {
    this.#drop();
    if (!this.#isWanted) return;
    const waitS = BACKOFF_S[Math.min(this.#tries, BACKOFF_S.length - 1)];
    this.#tries += 1;
    this.chunks = 0;
    this.#become("waiting", t`${message.replace(/\.$/, "")}. Trying again.`);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#isWanted && this.#connect(), waitS * (800 + Math.random() * 400));
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    closeSocket(socket);
    this.#buffer = null;
    this.#queue = [];
  }

  #closeSource() {
    this.#buffer = null;
    this.#source = null;
    if (this.#objectUrl) URL.revokeObjectURL(this.#objectUrl);
    this.#objectUrl = "";
  }

  release() {
    this.stop();
    this.#closeSource();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
