// Pictures of many moments for a contact sheet: camera by camera over one review socket each, one after the other, so that
// a page full of them is a few jobs and not one each.
import { Stills } from "./stills.js";
import { t } from "./words.js";

const PATIENCE_MS = 20_000; // a job starts in seconds; then the place is given up and the next one asked for
const AT_ONCE = 2; // cameras; each is a job on the server
const HEIGHT_PX = 270;

export class ContactSheet {
  #queues = new Map(); // camera -> wishes
  #running = 0;
  #generation = 0;

  /** `purpose`: called for each look. */
  constructor(purpose) {
    this.purpose = purpose;
  }

  /** Forget every wish and end every look. */
  clear() {
    this.#generation += 1;
    this.#queues.clear();
    this.#running = 0;
  }

  /** `take` is called once, with {blob, isFullyMasked} or {words}. */
  ask(cameraId, ns, take) {
    if (!this.#queues.has(cameraId)) this.#queues.set(cameraId, []);
    this.#queues.get(cameraId).push({ ns, take });
  }

  start() {
    while (this.#running < AT_ONCE) {
      const next = [...this.#queues].find(([, wishes]) => wishes.length && !wishes.isTaken);
      if (!next) return;
      const [cameraId, wishes] = next;
      wishes.isTaken = true;
      this.#running += 1;
      this.#serve(cameraId, wishes, this.#generation).finally(() => {
        wishes.isTaken = false;
      });
    }
  }

  async #serve(cameraId, wishes, generation) {
    const stills = new Stills({ path: `/api/v1/cameras/${encodeURIComponent(cameraId)}/review?max_height_px=${HEIGHT_PX}`,
      purpose: this.purpose, newestNs: () => Date.now() * 1e6 });
    while (wishes.length && generation === this.#generation) {
      const { ns, take } = wishes.shift();
      const answer = await one(stills, ns);
      if (generation === this.#generation) take(answer);
    }
    stills.close();
    if (generation !== this.#generation) return;
    this.#queues.delete(cameraId);
    this.#running -= 1;
    this.start();
  }
}

function one(stills, ns) {
  return new Promise((done) => {
    const end = new AbortController();
    const answer = (value) => {
      clearTimeout(timer);
      end.abort();
      done(value);
    };
    const timer = setTimeout(() => answer({ words: t`This picture did not come.` }), PATIENCE_MS);
    const listen = (kind, take) => stills.addEventListener(kind, (event) => answer(take(event.detail)), { signal: end.signal });
    listen("still", (still) => ({ blob: still.blob, isFullyMasked: still.is_fully_masked }));
    listen("note", (note) => ({ words: note.message }));
    listen("refused", (refusal) => ({ words: refusal.message }));
    stills.seek(ns);
  });
}
