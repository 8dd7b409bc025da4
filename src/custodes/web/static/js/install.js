// Registers the service worker, where the browser has one (https, or this machine itself).
const POLICY = { createScriptURL: (path) => {
  if (path !== "/worker.js") throw new TypeError(`no worker is at ${path}`);
  return path;
} };

if (navigator.serviceWorker) {
  const trusted = window.trustedTypes?.createPolicy("custodes-worker", POLICY) ?? POLICY;
  navigator.serviceWorker.register(trusted.createScriptURL("/worker.js")).catch(() => {
    // A certificate that the browser does not trust: the console works all the same, it only cannot be installed.
  });
}
