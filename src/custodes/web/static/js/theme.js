// Runs before the first paint, so it is a classic script: the stored choice wins over the system's.
"use strict";
(() => {
  const KEY = "custodes-theme";
  const root = document.documentElement;
  const stored = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const apply = (theme) => {
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(stored());
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    button.addEventListener("click", () => {
      const isDark = root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      const next = isDark ? "light" : "dark";
      try { localStorage.setItem(KEY, next); } catch { /* private mode: for this page only */ }
      apply(next);
      dispatchEvent(new Event("themechange"));
    });
  });
})();
