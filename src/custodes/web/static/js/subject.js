// For a person who asked for their data: mark them on the pictures, piece of track by piece, and ask for an export
// in which only they are shown. The picture itself stays as the look's approval says.
import { ask } from "./common.js";
import { $, clockText, el, say } from "./dom.js";
import { t } from "./words.js";

const MAX_TRACKS = 32; // access.requests.MAX_SHOWN

export class PersonPicker {
  #chosen = new Map(); // "run/track" → the moment it was marked at
  #boxes = [];
  #utcNs = 0;
  #asked = 0;
  #purpose = null;

  constructor({ camera, still }) {
    this.camera = camera;
    this.still = still;
    this.layer = $("people-layer");
    this.panel = $("person-panel");
    still.addEventListener("load", () => this.#draw());
    addEventListener("resize", () => this.#draw());
    $("person-ask").addEventListener("click", () => location.assign(this.#address()));
  }

  /** On for a subject access alone; what was marked under the same request is remembered. */
  use(purpose) {
    this.#purpose = purpose?.purpose === "subject_access" && purpose.request_id ? purpose : null;
    this.panel.hidden = this.#purpose === null;
    this.clear();
    if (!this.#purpose) return;
    try { this.#chosen = new Map(JSON.parse(sessionStorage.getItem(this.#key()) ?? "[]")); } catch { this.#chosen = new Map(); }
    this.#list();
  }

  /** A picture of that moment is on the stage. */
  async at(utcNs) {
    if (!this.#purpose) return;
    this.#utcNs = utcNs;
    this.#asked += 1;
    const mine = this.#asked;
    const data = await ask(`/api/v1/cameras/${encodeURIComponent(this.camera)}/boxes?at=${Math.round(utcNs)}`);
    if (mine !== this.#asked) return;
    this.#boxes = data.boxes;
    say($("person-hint"), data.boxes.length ? t`Mark the person in the picture.` : t`Nobody was tracked at this moment; choose another picture.`);
    this.#draw();
  }

  /** No picture, or a moving one. */
  clear() {
    this.#asked += 1;
    this.#boxes = [];
    this.layer.replaceChildren();
  }

  #key() { return `custodes-person-${this.camera}-${this.#purpose.request_id}`; }

  #address() {
    const { reference, limits } = this.#purpose;
    const query = new URLSearchParams({ camera: this.camera, reference, from: limits[0], to: limits[1], shown: [...this.#chosen.keys()].join(" ") });
    return `/exports?${query}#ask`;
  }

  #toggle(name) {
    if (this.#chosen.has(name)) this.#chosen.delete(name);
    else if (this.#chosen.size < MAX_TRACKS) this.#chosen.set(name, this.#utcNs);
    sessionStorage.setItem(this.#key(), JSON.stringify([...this.#chosen]));
    this.#list();
    this.#draw();
  }

  #list() {
    $("person-ask").disabled = this.#chosen.size === 0;
    $("person-tracks").replaceChildren(...[...this.#chosen].map(([name, utcNs]) => el("li", {},
      t`marked at ${clockText(utcNs)} `, el("span", { class: "muted mono" }, name), " ",
      el("button", { type: "button", class: "quiet", onclick: () => this.#toggle(name) }, t`Remove`))));
    $("person-none").hidden = this.#chosen.size > 0;
  }

  #draw() {
    if (this.still.hidden || !this.still.naturalWidth) return;
    const { clientWidth: width, clientHeight: height } = this.still;
    const scale = Math.min(width / this.still.naturalWidth, height / this.still.naturalHeight);
    const [shownWidth, shownHeight] = [this.still.naturalWidth * scale, this.still.naturalHeight * scale];
    const focused = document.activeElement?.dataset?.person;
    this.layer.replaceChildren(...this.#boxes.map(({ run, track_id: track, box }, at) => {
      const name = `${run}/${track}`;
      const isChosen = this.#chosen.has(name);
      const button = el("button", { type: "button", class: "person-box", "data-person": name, "aria-pressed": String(isChosen),
        "aria-label": t`Person ${at + 1} of ${this.#boxes.length}`, onclick: () => this.#toggle(name) });
      button.style.left = `${(width - shownWidth) / 2 + box[0] * shownWidth}px`;
      button.style.top = `${(height - shownHeight) / 2 + box[1] * shownHeight}px`;
      button.style.width = `${(box[2] - box[0]) * shownWidth}px`;
      button.style.height = `${(box[3] - box[1]) * shownHeight}px`;
      return button;
    }));
    if (focused) this.layer.querySelector(`[data-person="${focused}"]`)?.focus({ preventScroll: true });
  }
}
