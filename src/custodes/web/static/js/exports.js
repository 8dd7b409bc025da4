// The page of exports: how far those are that are being made; shows the page again when one is through.
import { poll } from "./common.js";
import { say } from "./dom.js";

const rows = new Map([...document.querySelectorAll("[data-export]")].map((row) => [row.dataset.export, row]));
const isWorking = (state) => state === "rendering" || state === "sealing";

if ([...rows.values()].some((row) => isWorking(row.dataset.state))) {
  poll("/api/v1/exports", 1, ({ exports }) => {
    for (const one of exports) {
      const row = rows.get(one.export_id);
      if (!row || isWorking(row.dataset.state) !== isWorking(one.state)) return location.reload();
      say(row.querySelector("[data-said]"), one.state === "rendering" ? `${one.words} ${one.percent} %` : one.words);
    }
  });
}
