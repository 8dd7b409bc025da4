// The checkpoint: reads the card's code where the browser can, takes one picture to compare and some while the holder
// turns, shows one answer with its signals, forgets all. As a kiosk it begins and ends by itself.
import { jpegOf, jpegOfFile, openCamera } from "./capture.js";
import { $, el, onSubmit, say } from "./dom.js";
import { post } from "./post.js";
import { t } from "./words.js";

const LOOKS = 5, LOOK_MS = 400, LOOK_SIDE = 640; // two seconds to turn; landmarks need no more pixels
const DARK = 60, LUMA_MS = 1000; // grey levels of the picture below which the page becomes the lamp
const SHOWN_MS = 12000; // how long a kiosk shows an answer
const MARK = { face: "✓", fake: "⚠", nothing: "·" };

const video = $("video"), said = $("said"), token = $("token"), file = $("file"), signals = $("signals"), lamp = $("lamp");
const isKiosk = document.body.classList.contains("kiosk");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let isBusy = false, isLampChosen = false, ending = 0;

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

function small() {
  const scale = Math.min(1, LOOK_SIDE / Math.max(video.videoWidth, video.videoHeight));
  return jpegOf(video, Math.round(video.videoWidth * scale), Math.round(video.videoHeight * scale));
}

/** The turn is drawn anew each time: a film that somebody brings does not know it. */
async function turning() {
  const asked = crypto.getRandomValues(new Uint8Array(1))[0] % 2 ? "left" : "right";
  say(said, asked === "left" ? t`Turn your head slowly to your left, and back.` : t`Turn your head slowly to your right, and back.`);
  const looks = [];
  for (let n = 0; n < LOOKS; n += 1) {
    await pause(LOOK_MS);
    looks.push(await base64(await small()));
  }
  return { asked, turning: looks };
}

async function body() {
  if (file.files[0]) return { token: token.value, picture: await base64(await jpegOfFile(file.files[0])) };
  const picture = await base64(await jpegOf(video, video.videoWidth, video.videoHeight));
  return { token: token.value, picture, ...(await turning()) };
}

async function compare() {
  const asked = await body();
  say(said, "…");
  const tree = await post("/checkpoint/verify", asked);
  signals.replaceChildren(...tree.signals.map((one) => el("li", { class: one.speaks }, `${MARK[one.speaks]} ${one.words}`)));
  if (tree.problem) return [t`Again, please: ${tree.problem}.`, "again"];
  const isDoubted = tree.signals.some((one) => one.speaks === "fake");
  const words = tree.is_same ? (isDoubted ? t`The same person, but look closely.` : t`The same person.`) : t`Not the same person: the desk decides.`;
  return [`${words} (10^${tree.likelihood} : 1)`, tree.is_same && !isDoubted ? "same" : "other"];
}

function forget() {
  clearTimeout(ending);
  token.value = "";
  file.value = "";
  said.dataset.outcome = "";
  say(said, "");
  signals.replaceChildren();
  if (isKiosk) token.focus();
}

async function check() {
  if (isBusy) return;
  isBusy = true;
  clearTimeout(ending);
  said.dataset.outcome = "";
  signals.replaceChildren();
  try {
    const [words, outcome] = await compare();
    said.dataset.outcome = outcome;
    say(said, words);
  } catch (error) { say(said, error.message); }
  isBusy = false;
  if (isKiosk) ending = setTimeout(forget, SHOWN_MS);
}

function light(isOn) {
  document.body.classList.toggle("lit", isOn);
  lamp.setAttribute("aria-pressed", String(isOn));
}

/** In the dark the page lights the face. It stays on until somebody switches it off: it would else put itself out. */
function watchLight() {
  const canvas = document.createElement("canvas");
  canvas.width = 32;
  canvas.height = 24;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  setInterval(() => {
    if (isLampChosen || !video.videoWidth) return;
    context.drawImage(video, 0, 0, 32, 24);
    const { data } = context.getImageData(0, 0, 32, 24);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    if (sum / (data.length / 4) < DARK) light(true);
  }, LUMA_MS);
}

async function readCodes() {
  if (!("BarcodeDetector" in window)) return;
  const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
  setInterval(async () => {
    if (token.value || isBusy || !video.videoWidth) return;
    const codes = await detector.detect(video).catch(() => []);
    if (!codes[0]) return;
    token.value = codes[0].rawValue;
    if (isKiosk) { say(said, t`Now look into the camera.`); await pause(1500); check(); }
  }, 500);
}

onSubmit($("check"), check); // a scanner that types ends with Enter
$("next").addEventListener("click", forget);
lamp.addEventListener("click", () => { isLampChosen = true; light(lamp.getAttribute("aria-pressed") !== "true"); });
if (isKiosk) token.focus();
openCamera(video).then(() => { watchLight(); readCodes(); }, (error) => say(said, t`No camera: ${error.message}. Use a picture file.`));
