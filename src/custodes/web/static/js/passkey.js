// Passkeys: asks the server for a challenge, the browser for an answer, and hands that back. Nothing is kept here.
import { $, say } from "./dom.js";
import { post } from "./post.js";
import { t } from "./words.js";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const listed = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function create(options) {
  const made = await navigator.credentials.create({ publicKey: {
    ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: listed(options.excludeCredentials) } });
  return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {}, response: {
    clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject) } };
}

async function get(options) {
  const found = await navigator.credentials.get({ publicKey: {
    ...options, challenge: bytes(options.challenge), allowCredentials: listed(options.allowCredentials) } });
  const { clientDataJSON, authenticatorData, signature, userHandle } = found.response;
  return { id: found.id, rawId: text(found.rawId), type: found.type, clientExtensionResults: {}, response: {
    clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature),
    userHandle: userHandle ? text(userHandle) : null } };
}

async function run(button) {
  const { passkey, options, answer, fields } = button.dataset;
  const values = {};
  for (const name of (fields ?? "").split(" ").filter(Boolean)) values[name] = $(name).value;
  const roles = [...document.querySelectorAll('input[name="roles"]:checked')].map((box) => box.value);
  if (roles.length) values.roles = roles;
  const challenge = await post(options, values);
  const credential = await (passkey === "create" ? create(challenge) : get(challenge));
  const { to } = await post(answer, { ...values, credential });
  location.assign(to);
}

for (const button of document.querySelectorAll("button[data-passkey]")) {
  button.addEventListener("click", async () => {
    const problem = $("passkey-problem");
    problem.hidden = true;
    button.disabled = true;
    try {
      await run(button);
    } catch (error) {
      say(problem, error.name === "NotAllowedError" ? t`The passkey was not used: cancelled, timed out, or none fits.` : error.message);
      problem.hidden = false;
    }
    button.disabled = false;
  });
  button.disabled = !window.PublicKeyCredential;
}
