// The audit log: pages of entries, filters, the checkpoint, a proof per entry.
import { alertLine, ask } from "./common.js";
import { $, clockText, dateText, el, onSubmit, say } from "./dom.js";
import { plural, t, whole } from "./words.js";

let nextBefore = null;
let isBusy = false;

function row(entry) {
  const details = [...(entry.subject ? [[t`about`, entry.subject]] : []), ...Object.entries(entry.details)];
  const more = details.length
    ? el("dl", { class: "entry-details", hidden: true }, ...details.map(([name, value]) => el("div", {},
      el("dt", {}, name.replace(/_ns$/, "").replaceAll("_", " ")), el("dd", {}, inWords(name, value)))),
      el("div", {}, el("dt", {}, t`leaf hash`), el("dd", { class: "mono" }, entry.leaf_hash)))
    : null;
  const toggle = more ? el("button", { type: "button", class: "link", "aria-expanded": "false" }, t`Details`) : null;
  toggle?.addEventListener("click", () => {
    more.hidden = !more.hidden;
    toggle.setAttribute("aria-expanded", String(!more.hidden));
  });
  return el("tr", { "data-kind": entry.kind },
    el("td", { class: "num mono" }, String(entry.index)),
    el("td", { class: "when", title: entry.utc }, `${dateText(entry.utc_ns)} ${clockText(entry.utc_ns)}`),
    el("td", { class: "what" }, el("span", { class: `tag ${tone(entry.kind)}` }, entry.kind.replaceAll("_", " ")),
      el("div", {}, entry.sentence, more)),
    el("td", { class: "acts" }, toggle, " ", el("a", { href: `/api/v1/log/${entry.index}/proof`, download: "", title: t`Proof that this entry is in the log` }, t`Proof`)));
}

function witnessLines(page) {
  return page.witnesses.map((seen) => {
    const behind = page.checkpoint.size - seen.size;
    const rest = behind > 0 ? t`, ${plural(behind, "entry", "entries")} ago` : "";
    return el("li", { title: seen.utc },
      t`${seen.name} has signed that the log only grew, up to ${whole(seen.size)} entries${rest} (${seen.utc})`);
  });
}

function inWords(name, value) {
  return name.endsWith("_ns") && /^\d{16,}$/.test(value) ? `${dateText(Number(value))} ${clockText(Number(value))}` : value;
}

function tone(kind) {
  if (["login_failed", "access_denied", "keys_refused", "keys_destroyed"].includes(kind)) return "bad";
  if (["access_granted", "keys_released", "view_ended"].includes(kind)) return "look";
  return "";
}

async function load(isFresh) {
  if (isBusy) return;
  isBusy = true;
  const query = new URLSearchParams(new FormData($("filters")));
  if (!query.has("routine")) query.set("routine", "false");
  if (!isFresh && nextBefore !== null) query.set("before", String(nextBefore));
  try {
    const page = await ask(`/api/v1/log?${query}`);
    if (isFresh) $("entries").replaceChildren();
    $("entries").append(...page.entries.map(row));
    nextBefore = page.next_before;
    $("older").hidden = nextBefore === null;
    $("log-empty").hidden = $("entries").children.length > 0;
    say($("cp-size"), whole(page.checkpoint.size));
    say($("cp-origin"), page.checkpoint.origin);
    say($("cp-root"), page.checkpoint.root);
    say($("cp-note"), page.checkpoint.note);
    $("cp-witnesses").replaceChildren(...witnessLines(page));
    alertLine("log", "");
  } catch (error) {
    alertLine("log", error.message);
  } finally {
    isBusy = false;
  }
}

onSubmit($("filters"), () => load(true));
for (const select of document.querySelectorAll("#filters select")) select.addEventListener("change", () => load(true));
$("older").addEventListener("click", () => load(false));
load(true);
