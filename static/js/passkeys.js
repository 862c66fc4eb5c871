// Forms that a passkey fills in: data-passkey says whether one is created or used (get). The options come with the
// page, or, where the form names data-options, from that URL; what the browser returns goes into the field credential.

import { gettext } from "./text.js";

const forms = document.querySelectorAll("form[data-passkey]");

function toBytes(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function toText(buffer) {
  const binary = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const withBytes = (list) => list?.map((item) => ({ ...item, id: toBytes(item.id) }));

async function optionsOf(form) {
  if (!form.dataset.options) {
    return JSON.parse(document.getElementById("passkey-options").textContent);
  }
  const response = await fetch(form.dataset.options, { headers: { Accept: "application/json" } });
  if (!response.ok) {
    throw new Error(gettext("Too many tries in a short time. Wait a minute."));
  }
  return response.json();
}

async function create(options, form) {
  const { publicKey } = options.creation_options;
  publicKey.challenge = toBytes(publicKey.challenge);
  publicKey.user.id = toBytes(publicKey.user.id);
  publicKey.excludeCredentials = withBytes(publicKey.excludeCredentials);
  if (form.elements.passwordless?.checked) {
    const selection = { residentKey: "required", requireResidentKey: true, userVerification: "required" };
    publicKey.authenticatorSelection = { ...publicKey.authenticatorSelection, ...selection };
  }
  return navigator.credentials.create({ publicKey });
}

async function use(options) {
  const { publicKey } = options.request_options;
  publicKey.challenge = toBytes(publicKey.challenge);
  publicKey.allowCredentials = withBytes(publicKey.allowCredentials);
  return navigator.credentials.get({ publicKey });
}

const RESPONSE_FIELDS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

function serialize(credential) {
  const response = {};
  for (const name of RESPONSE_FIELDS) {
    if (credential.response[name]) {
      response[name] = toText(credential.response[name]);
    }
  }
  return JSON.stringify({
    id: credential.id,
    rawId: toText(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  });
}

function wordsFor(error) {
  if (error.name === "InvalidStateError") {
    return gettext("This device already has a passkey for your account.");
  }
  if (error.name === "SecurityError") {
    return gettext("Passkeys do not work at this address. Open the site at the address that its operator has set.");
  }
  if (error instanceof DOMException) {
    return gettext("The passkey was not confirmed. Try again.");
  }
  return error.message;
}

async function fill(form) {
  const shown = form.querySelector("[data-passkey-error]");
  shown.hidden = true;
  try {
    const options = await optionsOf(form);
    const credential = form.dataset.passkey === "create" ? await create(options, form) : await use(options);
    form.elements.credential.value = serialize(credential);
    form.submit();
  } catch (error) {
    shown.textContent = wordsFor(error);
    shown.hidden = false;
  }
}

for (const form of forms) {
  if (!window.PublicKeyCredential) {
    form.querySelector("[data-passkey-unavailable]").hidden = false;
    continue;
  }
  form.hidden = false;
  form.querySelector("button").disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fill(form);
  });
}
