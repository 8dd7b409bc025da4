// Posts of a case: shows the page again when a comparison is through.
import { poll } from "./common.js";
import { $ } from "./dom.js";

const state = $("state");

if (state.dataset.comparing) {
  poll(`/api/v1/cases/${encodeURIComponent(state.dataset.case)}/posts`, 1, (told) => {
    if (!told.is_comparing) location.reload();
  });
}
