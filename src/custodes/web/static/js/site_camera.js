// Setting a camera up: ask the network, test an address, and wait until a camera that was added is really recorded.
import { ask } from "./common.js";
import { $, durationText, el, onSubmit, say } from "./dom.js";
import { Player } from "./player.js";
import { post } from "./post.js";
import { t, whole } from "./words.js";

const STATE_EVERY_MS = 1500;

async function send(path, form) {
  try {
    return await post(path, form);
  } catch (error) {
    if (error.status === 401) location.assign("/login");
    throw error;
  }
}

// -- find ---------------------------------------------------------------------------------------------

function deviceRow(one) {
  const take = (url, words) => el("button", { type: "button", onclick: () => {
    $("url").value = url;
    if (!$("name").value) $("name").value = one.name;
    $("username").focus();
  } }, words);
  return el("li", { class: "device" },
    el("span", {}, el("b", {}, one.address), " ", one.name, " ", el("span", { class: "muted" }, one.hardware)),
    one.is_known ? el("span", { class: "tag" }, t`is here already`) : null,
    take(one.url, t`Use it`),
    one.path_url ? take(one.path_url, t`Use its RTSP address`) : null);
}

if ($("discover")) {
  onSubmit($("discover"), async () => {
    const button = $("discover").querySelector("button");
    button.disabled = true;
    say($("discover-state"), t`Asking; answers take some seconds …`);
    $("devices").replaceChildren();
    try {
      const found = await send("/site/discover", new FormData($("discover")));
      say($("discover-state"), found.problem || (found.devices.length
        ? t`${found.devices.length} answered. Their names are their own words.`
        : t`Nobody answered. Type the address below; it is in the camera's own page or the router's list.`));
      $("devices").replaceChildren(...found.devices.map(deviceRow));
    } catch (error) {
      say($("discover-state"), error.message);
    }
    button.disabled = false;
  });
}

// -- test ---------------------------------------------------------------------------------------------

function showTest(found) {
  const dot = el("span", { class: `dot ${found.is_well ? "ok" : "bad"}` });
  $("test-state").replaceChildren(dot, ` ${found.is_well ? t`It answers, and sends video that can be recorded.` : found.problem}`);
  $("test-rows").replaceChildren(...found.rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  $("test-why").hidden = !found.is_well;
}

const test = $("test");
if (test) {
  test.disabled = false;
  test.addEventListener("click", async () => {
    const form = new FormData($("camera-form"));
    form.set("known", test.dataset.known);
    for (const name of ["name", "camera", "retention_h", "enabled", "no_password", "csrf"]) form.delete(name);
    test.disabled = true;
    $("test-rows").replaceChildren();
    $("test-why").hidden = true;
    say($("test-state"), t`Looking, as the recorder would: some seconds, up to a minute for one that does not answer …`);
    try {
      showTest(await send("/site/test-camera", form));
    } catch (error) {
      showTest({ is_well: false, problem: error.message, rows: [] });
    }
    test.disabled = false;
  });
}

// -- wait until it is recorded ------------------------------------------------------------------------

const state = $("state");
let player = null;

function milestone(name, isReached, words) {
  const row = state.querySelector(`[data-milestone="${name}"]`);
  row.querySelector(".dot").className = `dot ${isReached ? "ok" : ""}`;
  row.toggleAttribute("data-reached", isReached);
  say(row.querySelector("[data-said]"), words);
}

function watch() {
  if (player || !$("video")) return;
  $("proof").hidden = false;
  $("to-wall").hidden = false;
  player = new Player($("video"), {
    path: `/api/v1/cameras/${encodeURIComponent(state.dataset.camera)}/live?max_height_px=360`, isLive: true });
  player.addEventListener("state", () => say($("video-state"), player.state === "playing"
    ? t`Live and masked, for live duty; this look is in the log.` : player.message || player.state));
  player.start();
}

async function showState() {
  try {
    const now = await ask(`/site/cameras/${encodeURIComponent(state.dataset.camera)}/state`);
    milestone("recording", now.is_recording, now.detail && !now.is_recording ? `${now.words}: ${now.detail}` : now.words);
    milestone("recorded", now.recorded_s > 0, now.recorded_s > 0
      ? t`${durationText(now.recorded_s)} recorded and sealed${now.width_px ? t`, ${now.width_px} pixels wide` : ""}` : t`Nothing recorded yet: the first piece counts when it is closed`);
    milestone("analysed", now.frames_analysed > 0, now.frames_analysed > 0
      ? t`${whole(now.frames_analysed)} pictures analysed for masks` : now.analyser || t`Nothing analysed yet`);
    if (now.is_recording && now.frames_analysed > 0) watch();
  } catch (error) {
    if (error.message !== "logged out") milestone("recording", false, error.message);
  }
  setTimeout(showState, STATE_EVERY_MS);
}
if (state) {
  showState();
  addEventListener("pagehide", () => player?.stop());
}
