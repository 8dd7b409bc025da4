// The leak desk: shows the page again when a trace that runs is through.
import { poll } from "./common.js";

const rows = [...document.querySelectorAll("[data-trace]")];

if (rows.some((row) => row.dataset.state === "tracing")) {
  poll("/api/v1/leaks", 1, ({ traces }) => {
    const states = new Map(traces.map((one) => [one.request_id, one.state]));
    if (rows.some((row) => states.get(row.dataset.trace) !== row.dataset.state)) location.reload();
  });
}
