// What every page with a visitor does: ask the API, keep the session honest, show the clock and what is wrong.
import { $, clockText, dateText, el, problemText, say } from "./dom.js";
import { t } from "./words.js";

const WARN_BEFORE_S = 120;
let isTouched = true;
let skewMs = Number(document.querySelector("meta[name=now]")?.content || Date.now() * 1e6) / 1e6 - Date.now(); // the server's clock minus ours

for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) {
  addEventListener(kind, () => { isTouched = true; }, { passive: true });
}

/** A page that only refreshes itself says so, and does not keep the session alive. */
export async function ask(path) {
  const headers = isTouched ? {} : { "x-custodes-idle": "1" };
  isTouched = false;
  const answer = await fetch(path, { headers, cache: "no-store" });
  if (answer.status === 401) {
    location.assign("/login");
    throw new Error("logged out");
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(problemText(body) || `answer ${answer.status}`);
  if (body.now_ns) skewMs = body.now_ns / 1e6 - Date.now();
  if (body.expires_ns && body.now_ns) watchSession((body.expires_ns - body.now_ns) / 1e9);
  return body;
}

export const nowNs = () => (Date.now() + skewMs) * 1e6;

/** Ask again and again; `seconds` after each answer. A failure is shown and tried again. */
export function poll(path, seconds, take) {
  const step = async () => {
    try {
      take(await ask(typeof path === "function" ? path() : path));
      alertLine("server", "");
    } catch (error) {
      if (error.message !== "logged out") {
        alertLine("server", error instanceof TypeError ? t`The server does not answer. Trying again.` : error.message);
      }
    }
    setTimeout(step, seconds * 1000);
  };
  step();
}

const alerts = new Map();
/** One line per topic below the header; an empty text takes it away. */
export function alertLine(topic, text) {
  const box = $("alerts");
  if (!box || (alerts.get(topic) || "") === text) return;
  if (text) alerts.set(topic, text);
  else alerts.delete(topic);
  box.replaceChildren(...[...alerts.values()].map((line) => el("p", {}, line)));
  box.hidden = alerts.size === 0;
}

export function showWarnings(list) {
  alertLine("warnings", list.join(" "));
}

const EVENT_SHOWN_NS = 3600e9; // after its end; the system page keeps it
const MOST_EVENTS = 3;
/** What happened to the site: while it lasts, and for an hour after. */
export function showEvents(events, now) {
  const fresh = events.filter((one) => !one.end_ns || now - one.end_ns < EVENT_SHOWN_NS);
  fresh.sort((a, b) => (a.end_ns > 0) - (b.end_ns > 0) || b.start_ns - a.start_ns); // what lasts comes first
  const lines = fresh.slice(0, MOST_EVENTS).map((one) => {
    const from = clockText(one.start_ns).slice(0, 5);
    return one.end_ns ? t`${one.title}, ${from} to ${clockText(one.end_ns).slice(0, 5)}` : t`${one.title}, since ${from}`;
  });
  if (fresh.length > MOST_EVENTS) lines.push(t`${fresh.length - MOST_EVENTS} more on the page System`);
  alertLine("events", lines.join(" · "));
}

function watchSession(leftS) {
  alertLine("session", leftS < WARN_BEFORE_S && leftS > 0
    ? t`You will be logged out in ${Math.ceil(leftS)} s because nobody has touched this page. Move the mouse or press a key to stay.`
    : "");
}

function tick() {
  const clock = $("clock");
  if (clock) say(clock, `${dateText(nowNs())} ${clockText(nowNs())}`);
}
tick();
setInterval(tick, 500);

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "t") $("theme")?.click();
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.who[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
