// Search among tracks: a question, a contact sheet of masked pictures, and the way to the moment in the review.
import { alertLine, ask, nowNs, poll, showEvents } from "./common.js";
import { ContactSheet } from "./contact.js";
import { $, clockText, dateText, durationText, el, onSubmit, plural, say } from "./dom.js";
import { PurposeForm, remembered } from "./purpose.js";
import { t } from "./words.js";

const HEADINGS = { left: "←", right: "→", towards: "↓", away: "↑" };
const form = $("question");
const sheet = new ContactSheet(() => purpose);
const urls = [];
let purpose = null;
let asked = null; // {query, fromNs}
let searchedToNs = 0;
let generation = 0;

const purposeForm = new PurposeForm((value) => {
  purpose = value;
  sheet.clear();
  if (!value) {
    forgetPictures();
    return;
  }
  for (const card of $("found").children) wish(card);
  sheet.start();
});

// -- the question ---------------------------------------------------------------------------------------

form.elements.span.addEventListener("change", () => { $("own-span").hidden = form.elements.span.value !== "own"; });

function questionOf(fields) {
  const query = new URLSearchParams();
  for (const name of ["class", "camera"]) for (const value of fields.getAll(name)) query.append(name, value);
  for (const name of ["heading", "line", "way"]) if (fields.get(name)) query.append(name, fields.get(name));
  if (!query.get("line")) query.delete("way");
  String(fields.get("zone")).split(" ").forEach((share, index) => query.set(["x1", "y1", "x2", "y2"][index], share));
  const isOwn = fields.get("span") === "own";
  const toNs = isOwn ? Date.parse(fields.get("end")) * 1e6 : nowNs();
  const fromNs = isOwn ? Date.parse(fields.get("start")) * 1e6 : toNs - Number(fields.get("span")) * 3600e9;
  if (!(fromNs < toNs)) throw new Error(t`Give a beginning that lies before the end.`);
  if (!query.get("camera")) throw new Error(t`Choose at least one camera.`);
  return { query, fromNs: Math.round(fromNs), toNs: Math.round(toNs) };
}

onSubmit(form, async () => {
  try {
    const { query, fromNs, toNs } = questionOf(new FormData(form));
    asked = { query, fromNs };
    sheet.clear();
    forgetPictures();
    $("found").replaceChildren();
    $("nothing").hidden = true;
    await go(toNs);
  } catch (error) {
    alertLine("search", error.message);
  }
});

async function go(toNs) {
  generation += 1;
  const mine = generation;
  const query = new URLSearchParams(asked.query);
  query.set("from", String(asked.fromNs));
  query.set("to", String(toNs));
  say($("sum"), t`Searching`);
  try {
    const body = await ask(`/api/v1/search?${query}`);
    if (mine !== generation) return;
    alertLine("search", "");
    take(body);
  } catch (error) {
    say($("sum"), "");
    alertLine("search", error.message);
  }
}

function take(body) {
  searchedToNs = body.searched_to_ns;
  const isAll = searchedToNs <= asked.fromNs;
  const cards = body.tracks.map(cardOf);
  $("found").append(...cards);
  const count = $("found").children.length;
  say($("sum"), t`${plural(count, "track", "tracks")} from ${dateText(searchedToNs)} ${clockText(searchedToNs)} on${isAll ? "" : t`; there may be more before`}`);
  $("nothing").hidden = count > 0;
  say($("nothing-words"), isAll ? t`Nothing that fits was tracked in this time by these cameras. Ask for more time, more cameras or less detail.`
    : t`Nothing that fits so far: search further back.`);
  $("more").hidden = isAll;
  $("more").disabled = isAll;
  if (!purpose) return;
  cards.forEach(wish);
  sheet.start();
}
$("more").addEventListener("click", () => go(searchedToNs));

// -- the sheet ------------------------------------------------------------------------------------------

function cardOf(track) {
  const atNs = Math.round((track.start_ns + track.end_ns) / 2);
  const query = new URLSearchParams({ camera: track.camera_id, at: atNs });
  const when = `${dateText(track.start_ns)} ${clockText(track.start_ns)}`;
  const card = el("a", { class: "found-card", href: `/review?${query}`, "data-camera": track.camera_id, "data-at": atNs,
    "aria-label": t`${track.words} at ${track.name}, ${when}, for ${durationText((track.end_ns - track.start_ns) / 1e9)}` },
    el("span", { class: "picture" }, el("img", { alt: "", hidden: true }), el("span", { class: "veil-words" }, "")),
    el("span", { class: "found-words" }, el("span", {}, el("span", { class: `chip ${track.lane}` }), `${track.words} ${HEADINGS[track.heading] ?? ""}`),
      el("b", {}, track.name), el("span", { class: "muted" }, when)));
  return card;
}

function wish(card) {
  const veil = card.querySelector(".veil-words");
  say(veil, "…");
  sheet.ask(card.dataset.camera, Number(card.dataset.at), ({ blob, words, isFullyMasked }) => {
    say(veil, words ?? "");
    if (!blob) return;
    const picture = card.querySelector("img");
    const url = URL.createObjectURL(blob);
    urls.push(url);
    picture.src = url;
    picture.hidden = false;
    if (isFullyMasked) card.title = t`Whole picture masked: nobody has analysed this moment`;
  });
}

function forgetPictures() {
  while (urls.length) URL.revokeObjectURL(urls.pop());
  for (const card of $("found").children) {
    card.querySelector("img").hidden = true;
    say(card.querySelector(".veil-words"), "");
  }
}

// -- keys -----------------------------------------------------------------------------------------------

/** Arrows go by the grid as it lies: as many cards a row as have the first one's top. */
addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const cards = [...$("found").children];
  if (!cards.length) return;
  const top = cards[0].offsetTop;
  const columns = cards.filter((card) => card.offsetTop === top).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!step) return;
  const at = cards.indexOf(document.activeElement);
  const next = at < 0 ? 0 : at + step;
  if (next < 0 || next >= cards.length) return;
  event.preventDefault();
  cards[next].focus();
});
addEventListener("pagehide", () => sheet.clear());

purposeForm.set(remembered());
poll("/api/v1/status", 5, (status) => {
  alertLine("warnings", status.warnings.join(" "));
  showEvents(status.events, status.now_ns);
});
