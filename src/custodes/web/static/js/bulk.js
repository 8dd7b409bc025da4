// A list of people and their pictures: a plan, then one person and one picture at a time, then a report to keep.
import { jpegOfFile } from "./capture.js";
import { $, el, onSubmit, plural, problemText, say } from "./dom.js";
import { post } from "./post.js";
import { t } from "./words.js";

const form = $("bulk"), said = $("said"), run = $("run"), save = $("report"), bar = $("progress"), table = $("table");
let csv = "", rows = [], files = new Map();

function line(number, name, basis, words) {
  const outcome = el("td", {}, words);
  table.tBodies[0].append(el("tr", {}, el("td", { class: "num" }, String(number)), el("td", {}, name), el("td", {}, basis), outcome));
  return outcome;
}

async function look() {
  csv = await $("list").files[0].text();
  files = new Map([...$("pictures").files].map((file) => [file.name, file]));
  const plan = await post("/faces/people/import/plan", { csv });
  table.tBodies[0].replaceChildren();
  table.hidden = false;
  rows = [];
  for (const row of plan.rows) {
    const lacking = row.pictures.filter((name) => !files.has(name));
    const words = lacking.length ? t`refused: the picture ${lacking[0]} was not chosen` : row.basis ? plural(row.pictures.length, "picture", "pictures") : t`gets a link`;
    row.outcome = line(row.line, row.name, row.basis || "link", words);
    if (!lacking.length) rows.push(row);
  }
  for (const one of plan.refused) line(one.line, "", "", t`refused: ${one.words}`);
  const refused = plan.rows.length + plan.refused.length - rows.length;
  say(said, t`${plural(rows.length, "person", "people")} can be enrolled, ${refused} refused.`);
  run.hidden = !rows.length;
  save.hidden = true;
}

async function give(token, name) {
  const answer = await fetch(`/enrol/${token}/sample`, { method: "POST", body: await jpegOfFile(files.get(name)), cache: "no-store", headers: { "content-type": "image/jpeg" } });
  const tree = await answer.json();
  if (!answer.ok) return { problem: problemText(tree) };
  return tree.is_taken ? { left: tree.wanted - tree.templates } : { problem: tree.problem };
}

async function enrol(row) {
  const { token, link } = await post("/faces/people/import/row", { csv, line: row.line });
  row.link = link;
  const problems = [];
  let taken = 0, left = 1;
  for (const name of row.pictures) {
    const found = await give(token, name).catch((error) => ({ problem: error.message }));
    if (found.problem) problems.push(`${name}: ${found.problem}`);
    else { taken += 1; left = found.left; }
  }
  if (!row.pictures.length) return t`link to sign behind`;
  const words = t`${taken} of ${plural(row.pictures.length, "picture", "pictures")} taken`;
  const more = left > 0 ? t`; more are needed before anybody is compared` : t`; now somebody else looks at the basis`;
  return [words + more, ...problems].join("; ");
}

/** A spreadsheet computes cells that begin with these; a quote before them makes text. */
const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

function report() {
  const lines = [...table.tBodies[0].rows].map((tr) => [...tr.cells].map((td) => td.textContent));
  const links = new Map(rows.map((row) => [String(row.line), row.link || ""]));
  const text = [["line", "name", "basis", "outcome", "link"], ...lines.map((cells) => [...cells, links.get(cells[0]) || ""])];
  save.href = URL.createObjectURL(new Blob([text.map((cells) => cells.map(cell).join(",")).join("\r\n")], { type: "text/csv" }));
  save.hidden = false;
}

async function enrolAll() {
  run.hidden = true;
  bar.hidden = false;
  bar.max = rows.length;
  for (const [n, row] of rows.entries()) {
    say(said, `${row.name} …`);
    say(row.outcome, await enrol(row).catch((error) => t`refused: ${error.message}`));
    bar.value = n + 1;
    report(); // what was done is kept, also when the page is left half way
  }
  say(said, t`Done. Save the report: its links are shown nowhere else.`);
  addEventListener("beforeunload", (event) => { if (!save.dataset.isSaved) event.preventDefault(); });
}

if (form) {
  onSubmit(form, () => look().catch((error) => say(said, error.message)));
  run.addEventListener("click", enrolAll);
  save.addEventListener("click", () => { save.dataset.isSaved = "yes"; });
}
