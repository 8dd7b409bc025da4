// Service worker: one page for when the site cannot be reached, and notices. It keeps no other page, answer or picture.
"use strict";
const SHELF = "custodes-unreachable-1";
const KEPT = ["/unreachable", "/static/app.css", "/static/icon.svg", "/static/js/theme.js", "/static/js/menu.js",
  "/static/js/install.js"];

addEventListener("install", (event) => {
  skipWaiting();
  // without cookies: the page is kept as a stranger sees it
  const bare = KEPT.map((path) => new Request(path, { credentials: "omit", cache: "reload" }));
  event.waitUntil(caches.open(SHELF).then((shelf) => shelf.addAll(bare)));
});

addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name !== SHELF) await caches.delete(name);
    await clients.claim();
  };
  event.waitUntil(clean());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const path = new URL(request.url).pathname;
  const isPage = request.mode === "navigate" && request.method === "GET";
  if (!isPage && !KEPT.includes(path)) return; // the browser's own way: nothing of it passes here
  const kept = () => caches.match(isPage ? "/unreachable" : path, { cacheName: SHELF });
  event.respondWith(fetch(request).catch(async () => (await kept()) ?? Response.error()));
});

addEventListener("push", (event) => {
  const told = () => { try { return event.data.json(); } catch { return {}; } };
  const { text = "Something waits for you.", path = "/", tag = "custodes" } = told();
  event.waitUntil(registration.showNotification("custodes", { body: String(text), tag: String(tag), icon: "/static/icon.svg", data: String(path) }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const path = String(event.notification.data);
  const isOurs = path.startsWith("/") && !path.startsWith("//");
  event.waitUntil(clients.openWindow(isOurs ? path : "/"));
});
