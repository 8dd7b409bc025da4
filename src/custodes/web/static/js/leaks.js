// The leak desk: shows how far a trace is, and the page again when it is through.
import { poll } from "./common.js";

const rows = [...document.querySelectorAll("[data-trace]")];

if (rows.some((row) => row.dataset.state === "tracing")) {
  poll("/api/v1/leaks", 1, ({ traces }) => {
    const states = new Map(traces.map((one) => [one.request_id, one.state]));
    const bar = document.getElementById("share");
    const shown = bar && traces.find((one) => one.request_id === rows[0]?.dataset.trace);
    if (shown) bar.value = shown.share;
    if (rows.some((row) => states.get(row.dataset.trace) !== row.dataset.state)) location.reload();
  });
}
