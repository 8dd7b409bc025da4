// How many tiles the wall shows, which, and what comes next: layouts, saved ones, and sequences. Saved layouts are kept at
// the site; which one this screen shows, and how, in this browser: that is of a screen as much as of a person. Knows
// nothing of players.
import { post } from "./post.js";

const KEY = "custodes-wall";
const PATH = "/api/v1/layouts";
export const SIZES = [0, 1, 4, 9, 16]; // 0: all
export const DWELLS_S = [5, 10, 20, 60];

/** What is kept, whatever lies in the browser's store: another version's, or nothing. */
function read(person) {
  try {
    const all = JSON.parse(localStorage.getItem(KEY)) ?? {};
    const mine = all[person] ?? {};
    const saved = Array.isArray(mine.saved) ? mine.saved.filter((one) => typeof one?.name === "string" && Array.isArray(one.cameras)) : [];
    return { all, size: SIZES.includes(mine.size) ? mine.size : 0, saved,
      dwellS: DWELLS_S.includes(mine.dwellS) ? mine.dwellS : 10, current: typeof mine.current === "string" ? mine.current : "" };
  } catch {
    return { all: {}, size: 0, saved: [], dwellS: 10, current: "" };
  }
}

export class WallLayout extends EventTarget {
  #all;
  #timer = 0;
  #page = 0;
  #cameras = [];
  #before; // layouts that an older version kept in this browser

  constructor(person) {
    super();
    this.person = person;
    const kept = read(person);
    this.#all = kept.all;
    this.#before = kept.saved;
    this.size = kept.size;
    this.saved = []; // rows of /api/v1/layouts
    this.dwellS = kept.dwellS;
    this.current = kept.current; // layout_id, or "" for all
    this.isTouring = false;
  }

  /** Take the saved layouts from the site, and hand over what an older version kept here. */
  async load() {
    const answer = await fetch(PATH, { cache: "no-store" });
    if (!answer.ok) return;
    this.saved = (await answer.json()).layouts;
    const byName = this.#before.find((one) => one.name === this.current);
    for (const one of this.#before) {
      if (this.saved.some((row) => row.is_own && row.name === one.name)) continue;
      try {
        this.saved = (await post(PATH, { name: one.name, cameras: one.cameras, tiles: SIZES.includes(one.size) ? one.size : 0 })).layouts;
      } catch { /* a camera of it is gone: so is the layout */ }
    }
    this.#before = [];
    if (byName) this.current = this.saved.find((one) => one.is_own && one.name === byName.name)?.layout_id ?? "";
    if (!this.chosen) this.current = "";
    this.#changed();
  }

  /** All cameras there are, in the site's order. */
  offer(cameras) {
    this.#cameras = cameras;
    if (this.#page >= this.pages) this.#page = 0;
  }

  /** The saved layout that is shown, or undefined. */
  get chosen() { return this.saved.find((one) => one.layout_id === this.current); }

  /** Those of the chosen layout, or all; one that is gone is left out. */
  get cameras() {
    const { chosen } = this;
    return chosen ? chosen.cameras.filter((id) => this.#cameras.includes(id)) : this.#cameras;
  }

  get pages() { return this.size ? Math.max(1, Math.ceil(this.cameras.length / this.size)) : 1; }
  get page() { return this.#page; }

  /** Those that are on the screen now. */
  get shown() {
    const { cameras, size } = this;
    return size ? cameras.slice(this.#page * size, (this.#page + 1) * size) : cameras;
  }

  get columns() {
    const count = this.size || this.shown.length;
    return count <= 1 ? 1 : count <= 4 ? 2 : count <= 9 ? 3 : count <= 16 ? 4 : 5;
  }

  setSize(size) {
    if (!SIZES.includes(size)) return;
    this.size = size;
    this.#page = 0;
    this.#changed();
  }

  choose(id) {
    this.current = this.saved.some((one) => one.layout_id === id) ? id : "";
    if (this.chosen) this.size = SIZES.includes(this.chosen.tiles) ? this.chosen.tiles : 0;
    this.#page = 0;
    this.#changed();
  }

  /** Keep these cameras, in this order, at this size; mine of the same name is written over. */
  async save(name, cameras, isShared) {
    this.saved = (await post(PATH, { name, cameras, tiles: this.size, is_shared: isShared })).layouts;
    this.current = this.saved.find((one) => one.is_own && one.name === name.split(/\s+/).join(" "))?.layout_id ?? "";
    this.#page = 0;
    this.#changed();
  }

  /** One of mine. */
  async remove(id) {
    this.saved = (await post(`${PATH}/${encodeURIComponent(id)}/remove`, {})).layouts;
    if (this.current === id) this.current = "";
    this.#page = 0;
    this.#changed();
  }

  turn(by) {
    if (this.pages < 2) return;
    this.#page = (this.#page + by + this.pages) % this.pages;
    this.#restart();
    this.dispatchEvent(new Event("change"));
  }

  setDwell(seconds) {
    if (!DWELLS_S.includes(seconds)) return;
    this.dwellS = seconds;
    this.#changed();
  }

  /** Turn by itself, or stop. */
  tour(isWanted) {
    this.isTouring = isWanted;
    this.#restart();
    this.dispatchEvent(new Event("change"));
  }

  #restart() {
    clearTimeout(this.#timer);
    if (this.isTouring) this.#timer = setTimeout(() => (this.pages > 1 ? this.turn(1) : this.#restart()), this.dwellS * 1000);
  }

  #changed() {
    const { size, dwellS, current } = this;
    this.#all[this.person] = { size, dwellS, current, ...(this.#before.length ? { saved: this.#before } : {}) };
    try { localStorage.setItem(KEY, JSON.stringify(this.#all)); } catch { /* this browser keeps nothing: until the page is left */ }
    this.#restart();
    this.dispatchEvent(new Event("change"));
  }
}
