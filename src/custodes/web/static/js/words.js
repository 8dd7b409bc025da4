// What scripts say, in the language of the page: t`{…} of {…}`, numbers and dates. The page carries the translations of
// its modules as data (web/language/pages.py); what is not among them is said in English.
const block = document.getElementById("words");
const words = block ? JSON.parse(block.textContent) : {};

export const language = document.documentElement.lang || "en";
const isEnglish = language === "en";

/** A template literal's translation; the key is its text with {0}, {1} for the values. */
export function t(parts, ...values) {
  const text = parts.reduce((before, part, index) => `${before}{${index - 1}}${part}`);
  const key = text.trim(); // white space around it stays
  const said = words[key];
  if (typeof said !== "string") return parts.reduce((before, part, index) => `${before}${values[index - 1]}${part}`);
  return text.replace(key, () => said).replace(/\{(\d)\}/g, (hole, index) => (index in values ? values[index] : hole));
}

const rules = new Intl.PluralRules(language);
/** A number and its word: plural(3, "camera", "cameras"). */
export function plural(count, one, many) {
  const isOne = isEnglish ? count === 1 : rules.select(count) === "one";
  const forms = words[one];
  return `${whole(count)} ${(Array.isArray(forms) ? forms : [one, many])[isOne ? 0 : 1]}`;
}

const formats = new Map();
/** As toFixed, with the language's signs. */
export function fixed(value, digits = 0) {
  if (isEnglish) return value.toFixed(digits);
  if (!formats.has(digits)) {
    formats.set(digits, new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }));
  }
  return formats.get(digits).format(value);
}

/** For sort(): names in the order of the language, numbers in them by value. */
export const inOrder = new Intl.Collator(language, { numeric: true }).compare;

const wholes = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
/** A number without parts, grouped as the language does. */
export const whole = (value) => wholes.format(value);

// the common era also in Thai: evidence is compared across borders
const days = isEnglish ? null : new Intl.DateTimeFormat(`${language}-u-ca-gregory-nu-latn`, { dateStyle: "medium" });
const shortDays = isEnglish ? null : new Intl.DateTimeFormat(`${language}-u-ca-gregory-nu-latn`, { month: "numeric", day: "numeric" });
/** The same without its year. */
export const shortDayText = (date) => (shortDays ? shortDays.format(date) : null);
/** A day in the language's own order, or null in English, which writes ISO 8601. */
export const dayText = (date) => (days ? days.format(date) : null);
