// One camera of the review: a picture that is a still or a video, and a veil that says why there is none. What is shown
// never passes for another moment: a moment without a recording has no picture.
import { clockText, el, say } from "./dom.js";
import { Player } from "./player.js";
import { Stills } from "./stills.js";
import { t } from "./words.js";

const MASKED_WORDS = t`Whole picture masked: nobody has analysed this moment`;
const FIRST_FRAME_NS = 1e9 / 60; // of a camera whose rate is not known yet
const LONGEST_FRAME_NS = 2e9;
const HEIGHT_PX = 540; // of several pictures beside each other; one alone is shown on its own page

export class Screen extends EventTarget {
  #url = "";
  #frameNs = FIRST_FRAME_NS;
  #isWanted = false;
  #stepping = null; // {fromNs, reachNs, isForward}

  /** `path`: of the review socket; `purpose`: called for each look; `newestNs`: where its recording ends now. */
  constructor({ id, name, purpose, newestNs }) {
    super();
    this.id = id;
    this.shownNs = null;
    this.part = null;
    this.path = `/api/v1/cameras/${encodeURIComponent(id)}/review?max_height_px=${HEIGHT_PX}`;
    this.purpose = purpose;
    this.video = el("video", { muted: true, playsinline: true, hidden: true, tabindex: "-1", "aria-hidden": "true" });
    this.video.muted = true;
    this.still = el("img", { alt: "", hidden: true });
    this.veil = el("p", { class: "veil-words" });
    this.note = el("p", { class: "tile-note", role: "status", hidden: true });
    this.moment = el("span", { class: "screen-moment" });
    this.link = el("a", { href: `/cameras/${encodeURIComponent(id)}`, title: t`This camera alone: why masked, holds, second stream` }, name);
    this.node = el("figure", { class: "screen", "data-camera": id },
      el("div", { class: "picture" }, this.video, this.still, this.veil, this.note),
      el("figcaption", {}, this.link, this.moment));
    this.node.addEventListener("pointerdown", () => this.dispatchEvent(new Event("lead")));
    this.stills = new Stills({ path: this.path, purpose, newestNs });
    this.stills.addEventListener("still", (event) => this.#onStill(event.detail));
    this.stills.addEventListener("note", (event) => this.#onStillNote(event.detail.message));
    this.stills.addEventListener("refused", (event) => this.veilWith(event.detail.message));
  }

  // -- stills -------------------------------------------------------------------------------------------

  seek(ns) {
    this.#isWanted = true;
    this.#stepping = null;
    if (this.still.hidden && this.video.hidden) say(this.veil, t`Opening`);
    this.stills.seek(ns);
  }

  /** There is no picture of the wished moment, and one that is still on its way is of another. */
  blank(words) {
    this.#isWanted = false;
    this.#stepping = null;
    this.veilWith(words);
  }

  /** The frame after, or before, the one that is shown. Emits "step" when it is there. */
  step(isForward) {
    if (this.shownNs === null || this.#stepping) return;
    this.#stepping = { fromNs: this.shownNs, reachNs: isForward ? this.#frameNs * 0.75 : 1e6, isForward };
    this.#reach();
  }

  #reach() {
    const { fromNs, reachNs, isForward } = this.#stepping;
    this.stills.seek(isForward ? fromNs + reachNs : fromNs - reachNs);
  }

  #onStill({ blob, utc_ns: utcNs, is_fully_masked: isFullyMasked }) {
    if (this.part || !this.#isWanted) return;
    const stepping = this.#stepping;
    if (stepping && utcNs === stepping.fromNs) {
      stepping.reachNs *= 1.5;
      if (stepping.reachNs < LONGEST_FRAME_NS) {
        this.#reach();
        return;
      }
    }
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(blob);
    this.still.src = this.#url;
    this.still.alt = t`Masked picture of ${clockText(utcNs)}`;
    this.still.hidden = false;
    this.video.hidden = true;
    this.#show(utcNs, isFullyMasked);
    if (!stepping) return;
    this.#stepping = null;
    const stepNs = Math.abs(utcNs - stepping.fromNs);
    if (stepNs > 0 && stepNs < LONGEST_FRAME_NS) this.#frameNs = Math.max(FIRST_FRAME_NS / 2, stepNs);
    this.dispatchEvent(new Event("step"));
  }

  #onStillNote(message) {
    this.#stepping = null;
    if (!this.part && this.#isWanted) this.veilWith(message);
  }

  #show(utcNs, isFullyMasked) {
    this.shownNs = utcNs;
    say(this.veil, "");
    say(this.moment, clockText(utcNs, 2));
    this.note.hidden = !isFullyMasked;
    say(this.note, isFullyMasked ? MASKED_WORDS : "");
    this.dispatchEvent(new Event("shown"));
  }

  /** No picture, and why. */
  veilWith(words) {
    this.still.hidden = true;
    this.video.hidden = true;
    this.note.hidden = true;
    this.shownNs = null;
    say(this.moment, "");
    say(this.veil, words);
  }

  // -- playback -----------------------------------------------------------------------------------------

  /** A part for the conductor; `opening(player)` makes the first message. */
  newPart(speed, opening) {
    this.stills.close();
    this.#stepping = null;
    const player = new Player(this.video, { path: this.path, isLive: false, isConducted: true, speed,
      opening: () => opening(player) });
    this.part = { player, state: "opening", isDry: true };
    player.addEventListener("note", (event) => { this.lastNote = event.detail.message; });
    this.lastNote = "";
    return this.part;
  }

  /** What the conductor's last tick means for the eye. */
  follow(gapWords) {
    const { player, state } = this.part;
    const hasPicture = player.shownNs !== null && this.video.readyState >= 2;
    if (state === "playing" && hasPicture) {
      this.video.hidden = false;
      this.still.hidden = true;
      this.#show(player.shownNs, player.isFullyMasked);
    } else if (state === "ahead") {
      this.veilWith(gapWords || t`Nothing recorded until ${clockText(player.shownNs)}`);
    } else if (state === "over") {
      this.veilWith(player.message || t`This is the end of what was recorded.`);
    } else if (state === "late") {
      this.veilWith(this.lastNote || t`This picture is late; the others go on.`);
    } else {
      this.note.hidden = false;
      say(this.note, this.lastNote || player.message || t`Opening`);
    }
  }

  endPart() {
    if (!this.part) return;
    const { player } = this.part;
    if (player.shownNs !== null && this.part.state === "playing") this.shownNs = player.shownNs;
    player.stop();
    this.video.pause();
    this.part = null;
    this.note.hidden = true;
  }

  close() {
    this.endPart();
    this.stills.close();
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.node.remove();
  }
}
