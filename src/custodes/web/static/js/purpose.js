// The question that stands before every recorded picture: why. One answer for a tab, until it is changed.
import { $, onSubmit, say } from "./dom.js";
import { t } from "./words.js";

const PURPOSE_KEY = "custodes-purpose";
const WORDS = { case: t`Case`, alarm: t`Alarm`, maintenance: t`Maintenance`, subject_access: t`Subject access` };

export class PurposeForm {
  /** `take` is given every answer, and null when it is asked anew. */
  constructor(take) {
    this.value = null;
    this.take = take;
    onSubmit($("purpose"), (event) => this.#answer(new FormData(event.target)));
    $("purpose-change").addEventListener("click", () => {
      sessionStorage.removeItem(PURPOSE_KEY);
      if (this.value) $("reference").value = this.value.reference;
      this.set(null);
      $("reference").focus();
    });
  }

  #answer(form) {
    const reference = String(form.get("reference")).trim();
    if (!reference) {
      $("reference").value = "";
      $("reference").reportValidity();
      return;
    }
    const value = { purpose: String(form.get("kind")), reference };
    sessionStorage.setItem(PURPOSE_KEY, JSON.stringify(value));
    this.set(value);
  }

  set(value) {
    this.value = value?.purpose && value?.reference ? value : null;
    $("purpose").hidden = this.value !== null;
    $("purpose-line").hidden = this.value === null;
    if (this.value) {
      const { purpose, reference, only, fidelity } = this.value;
      const extent = only ? t`, one person shown` : fidelity === "unmasked" ? t`, without masks` : "";
      say($("purpose-text"), t`${WORDS[purpose]} “${reference}”${extent}. It is in the log.`);
    }
    this.take(this.value);
  }
}

/** What this tab answered before, or null. */
export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(PURPOSE_KEY));
  } catch {
    return null; // asked again
  }
}
