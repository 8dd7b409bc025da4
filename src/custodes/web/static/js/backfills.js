// The page of back-fills: how far each is; shows the page again when one changes what can be done with it.
import { poll } from "./common.js";
import { durationText, say } from "./dom.js";
import { t } from "./words.js";

const rows = new Map([...document.querySelectorAll("[data-backfill]")].map((row) => [row.dataset.backfill, row]));
const isOpen = (state) => state === "running" || state === "waiting";

function words(one) {
  if (one.state !== "running") return one.words;
  const left = one.left_s === null ? "" : t`, about ${durationText(one.left_s)} left`;
  return `${one.words} ${one.percent} %${left}`;
}

if ([...rows.values()].some((row) => isOpen(row.dataset.state))) {
  poll("/api/v1/backfills", 1, ({ backfills }) => {
    for (const one of backfills) {
      const row = rows.get(String(one.version));
      if (!row || row.dataset.state !== one.state) return location.reload();
      if (!isOpen(one.state)) continue;
      row.querySelector("progress").value = one.percent;
      say(row.querySelector("[data-said]"), words(one));
    }
  });
}
