// The checkpoint: reads the card's code where the browser can, takes one picture, shows one answer, forgets both.
import { jpegOf, jpegOfFile, openCamera } from "./capture.js";
import { $, onSubmit, say } from "./dom.js";
import { post } from "./post.js";

const video = $("video"), said = $("said"), token = $("token"), file = $("file");

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

async function compare() {
  const blob = file.files[0] ? await jpegOfFile(file.files[0]) : await jpegOf(video, video.videoWidth, video.videoHeight);
  const tree = await post("/checkpoint/verify", { token: token.value, picture: await base64(blob) });
  if (tree.problem) return `Again, please: ${tree.problem}.`;
  const words = tree.is_same ? "The same person." : "Not the same person: the desk decides.";
  return `${words} (10^${tree.likelihood} : 1; ${tree.signals.join("; ")})`;
}

function forget() {
  token.value = "";
  file.value = "";
  say(said, "");
}

onSubmit($("check"), async () => {
  say(said, "…");
  try { say(said, await compare()); } catch (error) { say(said, error.message); }
});
$("next").addEventListener("click", forget);

async function readCodes() {
  if (!("BarcodeDetector" in window)) return;
  const detector = new window.BarcodeDetector({ formats: ["qr_code"] });
  setInterval(async () => {
    if (token.value || !video.videoWidth) return;
    const codes = await detector.detect(video).catch(() => []);
    if (codes[0]) token.value = codes[0].rawValue;
  }, 500);
}

openCamera(video).then(readCodes, (error) => say(said, `No camera: ${error.message}. Use a picture file.`));
