// Single pictures of recorded moments over one review socket, the newest wanted moment first.
import { closeSocket, socketUrl } from "./socket.js";

const SPAN_NS = 3600e9; // asked for at once: an hour around the moment, and the log says so
const IDLE_CLOSE_MS = 120_000;

export class Stills extends EventTarget {
  #socket = null;
  #wanted = null;
  #request = 0;
  #expected = null;
  #from = 0;
  #to = 0;
  #idleTimer = 0;
  #isOpen = false;

  constructor({ path, purpose, newestNs }) {
    super();
    this.path = path;
    this.purpose = purpose;
    this.newestNs = newestNs;
  }

  seek(ns) {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.close(), IDLE_CLOSE_MS);
    this.#wanted = Math.round(ns);
    if (this.#socket && ns >= this.#from && ns <= this.#to) this.#send();
    else this.#open(ns);
  }

  close() {
    clearTimeout(this.#idleTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    closeSocket(socket);
  }

  #open(ns) {
    this.close();
    const { limits, ...why } = this.purpose();
    this.#to = Math.min(this.newestNs(), ns + SPAN_NS / 2, limits?.[1] ?? Infinity);
    this.#from = Math.max(limits?.[0] ?? 0, Math.min(ns, this.#to) - SPAN_NS / 2);
    const socket = new WebSocket(socketUrl(this.path));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return; // another moment was asked for meanwhile
      socket.send(JSON.stringify({ open: {
        kind: "still", from_ns: Math.ceil(this.#from), to_ns: Math.floor(this.#to), speed: 1, ...why } }));
    });
    socket.addEventListener("message", (event) => { if (socket === this.#socket) this.#onMessage(event.data); });
    socket.addEventListener("close", (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#isOpen = false;
      if (event.code === 4401) location.assign("/login");
    });
  }

  #send() {
    if (!this.#isOpen || this.#wanted === null) return;
    this.#request += 1;
    this.#socket.send(JSON.stringify({ seek: this.#wanted, request_id: this.#request }));
  }

  #onMessage(payload) {
    if (typeof payload !== "string") {
      const still = this.#expected;
      this.#expected = null;
      if (still) this.dispatchEvent(new CustomEvent("still", { detail: { ...still, blob: new Blob([payload], { type: "image/jpeg" }) } }));
      return;
    }
    const message = JSON.parse(payload);
    if (message.type === "opened") {
      this.#isOpen = true;
      this.#send();
    } else if (message.type === "still") {
      this.#expected = message;
    } else if (message.type === "note" || message.type === "refused") {
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
    } else if (message.type === "ended" && message.error) {
      this.dispatchEvent(new CustomEvent("refused", { detail: { message: message.error } }));
    }
  }
}
