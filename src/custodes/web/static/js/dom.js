// Small things for building pages and words for numbers. No fetching, no state.

import { dayText, fixed, shortDayText, t } from "./words.js";
export { plural } from "./words.js";

export const $ = (id) => document.getElementById(id);

/** Make an element: el("td", { class: "num" }, "12", child). Only attributes and text, never markup. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Where a camera is looked at by this person: its recordings, its settings, or nowhere (null: no link). */
export function cameraPage(id) {
  const at = $("main").dataset.cameras;
  return at ? at + encodeURIComponent(id) : null;
}

/** A form that only this script answers. Its button is disabled in the page's text until the answer is bound: sent
 * by the browser itself, the form would put what was typed into the address and lose it. */
export function onSubmit(form, take) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    take(event);
  });
  for (const button of form.querySelectorAll('button[type="submit"]')) button.disabled = false;
}

const SVG = "http://www.w3.org/2000/svg";
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** What a refused request's answer says, in the language of the page where the server knows it (problem details). */
export const problemText = (tree) => tree.said || tree.detail || tree.title;

/** Change text only when it differs, so that screen readers and selections are left alone. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const pad = (value) => String(value).padStart(2, "0");
export const NS = 1e9;

/** Local time; `digits`: of the second's parts, 0 to 3. */
export function clockText(ns, digits = 0) {
  const date = new Date(ns / 1e6);
  const text = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return digits ? `${text}.${String(date.getMilliseconds()).padStart(3, "0").slice(0, digits)}` : text;
}

export function dateText(ns) {
  const date = new Date(ns / 1e6);
  return dayText(date) ?? `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** A day without its year, for axes. */
export const shortDateText = (ns) => shortDayText(new Date(ns / 1e6)) ?? dateText(ns).slice(5);

export function durationText(seconds) {
  if (seconds < 0.05) return t`${0} s`;
  if (seconds < 10) return t`${fixed(seconds, 1)} s`;
  if (seconds < 60) return t`${Math.round(seconds)} s`;
  if (seconds < 3600) return t`${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return t`${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
  return t`${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function bytesText(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  if (bytes < 1e9) return `${fixed(bytes / 1e6)} MB`;
  return `${fixed(bytes / 1e9, 1)} GB`;
}
