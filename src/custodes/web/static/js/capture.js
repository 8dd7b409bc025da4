// Pictures that people give of themselves: from the camera or a file, as JPEG to the server, with its judgement.
import { $, problemText, say } from "./dom.js";
import { t } from "./words.js";

export const MAX_SIDE = 1280;

export async function openCamera(video) {
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
  video.hidden = false;
  await video.play();
}

export async function jpegOf(source, width, height) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

export async function jpegOfFile(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new Error(t`This browser cannot read ${file.name}. Give a JPEG or PNG picture.`);
  return jpegOf(bitmap, bitmap.width, bitmap.height);
}

const box = $("capture");
if (box) {
  const video = $("video"), said = $("said");
  const send = async (blob) => {
    say(said, "…");
    const answer = await fetch(box.dataset.post, { method: "POST", body: blob, cache: "no-store", headers: { "content-type": "image/jpeg" } })
      .catch(() => null);
    if (!answer) { say(said, t`The site does not answer. Try again.`); return; }
    const tree = await answer.json();
    if (!answer.ok) { say(said, problemText(tree)); return; }
    if (!tree.is_taken) { say(said, t`Not taken: ${tree.problem}.`); return; }
    say(said, t`Taken: ${tree.templates} of ${tree.wanted}.`);
    // Not a new page: it would sign once more, and the link to take it all back is shown on this one alone.
    if (tree.templates >= tree.wanted) { $("done").hidden = false; $("done").scrollIntoView({ block: "nearest" }); }
  };
  $("camera").addEventListener("click", async () => {
    try { await openCamera(video); $("shoot").hidden = false; } catch (error) { say(said, t`No camera: ${error.message}`); }
  });
  $("shoot").addEventListener("click", async () => send(await jpegOf(video, video.videoWidth, video.videoHeight)));
  $("file").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try { await send(await jpegOfFile(file)); } catch (error) { say(said, error.message); }
    event.target.value = "";  // the same file again is a new try
  });
  $("camera").disabled = $("file").disabled = false;
}
