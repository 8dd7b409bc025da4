// Evidence holds on a camera's page: what is held, hold a stretch, release one for a purpose.
import { ask, nowNs, poll } from "./common.js";
import { $, bytesText, clockText, dateText, el, onSubmit, plural, say } from "./dom.js";
import { post } from "./post.js";
import { t } from "./words.js";

const DEFAULT_DAYS = 90;
const AROUND_NS = 300e9; // proposed: five minutes either side of the moment that is shown
const id = $("camera").dataset.camera;
const path = `/api/v1/cameras/${encodeURIComponent(id)}/holds`;
const mayRelease = $("holds").dataset.release === "yes";
let shown = "";

function note(text, needsProof = false) {
  $("hold-note").replaceChildren(text, needsProof ? " " : "", needsProof ? el("a", { href: "/prove" }, t`Confirm who you are`) : "");
  $("hold-note").hidden = !text;
}

async function attempt(act, done) {
  note("");
  try {
    note(done(await act()));
    show((await ask(path)).holds);
  } catch (error) {
    note(error.message, Boolean(error.prove));
  }
}

const when = (ns) => `${dateText(ns)} ${clockText(ns)}`;

function row(one) {
  const form = el("form", { class: "inline", hidden: true },
    el("select", { name: "purpose", "aria-label": t`Purpose` }, ...[["case", t`a case`], ["alarm", t`an alarm`],
      ["subject_access", t`a subject access`]].map(([value, words]) => el("option", { value }, words))),
    el("input", { name: "reference", required: true, maxlength: 120, placeholder: t`Case, alarm or ticket`, "aria-label": t`Reference` }),
    el("input", { name: "reason", required: true, maxlength: 120, placeholder: t`Why it is released`, "aria-label": t`Why` }),
    el("button", { type: "submit" }, t`Release`));
  onSubmit(form, () => {
    const values = Object.fromEntries(new FormData(form));
    attempt(() => post(`${path}/${encodeURIComponent(one.hold_id)}/release`, values), () => t`Released. It is in the log.`);
  });
  const open = el("button", { type: "button", class: "link", onclick: () => { form.hidden = !form.hidden; } }, t`Release`);
  return el("li", {}, el("b", {}, t`${when(one.start_ns)} to ${when(one.end_ns)}`), t` until ${dateText(one.expires_ns)} by ${one.owner}: ${one.reason} `,
    mayRelease ? open : null, mayRelease ? form : null);
}

function show(holds) {
  const mark = JSON.stringify(holds);
  if (mark === shown) return;
  shown = mark;
  $("hold-list").replaceChildren(...holds.map(row));
  $("holds-empty").hidden = holds.length > 0;
}

const local = (ns) => new Date(ns / 1e6 - new Date(ns / 1e6).getTimezoneOffset() * 60_000).toISOString();
const ns = (text) => new Date(text).getTime() * 1e6;

function propose(form) {
  const moment = Date.parse($("moment").textContent.replace(" ", "T")) * 1e6 || nowNs() - AROUND_NS;
  form.elements.start.value = local(moment - AROUND_NS).slice(0, 19);
  form.elements.end.value = local(Math.min(moment + AROUND_NS, nowNs())).slice(0, 19);
  form.elements.until.value = local(nowNs() + DEFAULT_DAYS * 86400e9).slice(0, 10);
}

const box = $("hold-form-box");
box?.addEventListener("toggle", () => { if (box.open) propose($("hold-form")); });
if (box) onSubmit($("hold-form"), (event) => {
  const values = Object.fromEntries(new FormData(event.target));
  const body = { purpose: values.purpose, reference: values.reference.trim(), start_ns: ns(values.start), end_ns: ns(values.end),
    expires_ns: ns(`${values.until}T23:59:59`) };
  attempt(() => post(path, body), (placed) => {
    box.open = false;
    return t`Held: ${plural(placed.segments, "piece", "pieces")} of recording, ${bytesText(placed.bytes_on_disk)} so far. It is in the log.`;
  });
});

poll(path, 10, (answer) => show(answer.holds));
