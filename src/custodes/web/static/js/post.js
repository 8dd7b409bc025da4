// The one way in which a page changes something: a POST with the session's token, and the answer or its words.
import { problemText } from "./dom.js";

/** `body`: a FormData as it is, anything else as JSON. An error says the server's words; its `status` is the answer's, `prove` the page
 * on which a proof of identity is given first. */
export async function post(path, body) {
  const isForm = body instanceof FormData;
  const headers = { "x-csrf-token": document.querySelector('meta[name="csrf"]')?.content ?? "" };
  if (!isForm) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method: "POST", cache: "no-store", body: isForm ? body : JSON.stringify(body), headers });
  const tree = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(problemText(tree) || `answer ${answer.status}`), { status: answer.status, prove: tree.prove });
  return tree;
}
