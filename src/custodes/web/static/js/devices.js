// Lets this browser be told: asks the person, subscribes at the browser's push service, and gives the site the address.
import { $, onSubmit, say } from "./dom.js";
import { post } from "./post.js";
import { t } from "./words.js";

const form = $("device-add");

function complain(words) {
  const box = $("device-problem");
  say(box, words);
  box.hidden = !words;
}

/** base64url as the bytes that the Push API wants. */
function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0));
}

async function add() {
  complain("");
  try {
    if (await Notification.requestPermission() !== "granted") {
      complain(t`The browser was told not to show notices of this site; its settings change that.`);
      return;
    }
    const worker = await navigator.serviceWorker.ready;
    const wanted = { userVisibleOnly: true, applicationServerKey: bytesOf(form.dataset.key) };
    await (await worker.pushManager.getSubscription())?.unsubscribe(); // one made for another key cannot be used
    const made = await worker.pushManager.subscribe(wanted);
    const answer = await post("/me/devices", { ...made.toJSON(), name: $("device-name").value });
    location.assign(answer.to);
  } catch (error) {
    complain(t`It cannot be told: ${error.message}`);
  }
}

async function begin() {
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
    say($("device-state"), t`This browser has no notices here. They need https (or this machine itself), and on iOS the console on the home screen.`);
    return;
  }
  say($("device-state"), Notification.permission === "denied"
    ? t`The browser was told not to show notices of this site; its settings change that.`
    : t`It can be told.`);
  onSubmit(form, add);
}

if (form) begin();
