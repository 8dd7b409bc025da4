// Service worker: one page for when the site cannot be reached. It keeps no other page, no answer and no picture.
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
