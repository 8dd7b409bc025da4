// How many tiles the wall shows, which, and what comes next: layouts, saved ones, and sequences. Kept in this browser, for
// the person who is logged in: a layout is of a screen as much as of a person. Knows nothing of players.
import { t } from "./words.js";

const KEY = "custodes-wall";
const MAX_SAVED = 20;
export const SIZES = [0, 1, 4, 9, 16]; // 0: all
export const DWELLS_S = [5, 10, 20, 60];

/** What is kept, whatever lies in the browser's store: another version's, or nothing. */
function read(person) {
  try {
    const all = JSON.parse(localStorage.getItem(KEY)) ?? {};
    const mine = all[person] ?? {};
    const saved = Array.isArray(mine.saved) ? mine.saved.filter((one) => typeof one?.name === "string" && Array.isArray(one.cameras)) : [];
    return { all, size: SIZES.includes(mine.size) ? mine.size : 0, saved: saved.slice(0, MAX_SAVED),
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

  constructor(person) {
    super();
    this.person = person;
    const kept = read(person);
    this.#all = kept.all;
    this.size = kept.size;
    this.saved = kept.saved;
    this.dwellS = kept.dwellS;
    this.current = kept.saved.some((one) => one.name === kept.current) ? kept.current : "";
    this.isTouring = false;
  }

  /** All cameras there are, in the site's order. */
  offer(cameras) {
    this.#cameras = cameras;
    if (this.#page >= this.pages) this.#page = 0;
  }

  /** Those of the chosen layout, or all; one that is gone is left out. */
  get cameras() {
    const chosen = this.saved.find((one) => one.name === this.current);
    if (!chosen) return this.#cameras;
    return chosen.cameras.filter((id) => this.#cameras.includes(id));
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

  choose(name) {
    const chosen = this.saved.find((one) => one.name === name);
    this.current = chosen ? name : "";
    if (chosen) this.size = SIZES.includes(chosen.size) ? chosen.size : 0;
    this.#page = 0;
    this.#changed();
  }

  /** Keep these cameras, in this order, at this size; one of the same name is written over. */
  save(name, cameras) {
    const others = this.saved.filter((one) => one.name !== name);
    if (others.length >= MAX_SAVED) throw new Error(t`At most ${MAX_SAVED} layouts are kept. Remove one first.`);
    this.saved = [...others, { name, cameras, size: this.size }].sort((a, b) => a.name.localeCompare(b.name));
    this.current = name;
    this.#page = 0;
    this.#changed();
  }

  remove(name) {
    this.saved = this.saved.filter((one) => one.name !== name);
    if (this.current === name) this.current = "";
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
    const { size, saved, dwellS, current } = this;
    this.#all[this.person] = { size, saved, dwellS, current };
    try { localStorage.setItem(KEY, JSON.stringify(this.#all)); } catch { /* this browser keeps nothing: until the page is left */ }
    this.#restart();
    this.dispatchEvent(new Event("change"));
  }
}
