// Addresses of our WebSockets, and an end to them that leaves no error in the console.

export const socketUrl = (path) => `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;

/** Close; one that still connects is closed as soon as it has, since browsers report the close of a half-open socket. */
export function closeSocket(socket) {
  if (!socket) return;
  if (socket.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close(1000), { once: true });
  else socket.close(1000);
}
