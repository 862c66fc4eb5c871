// Requests to our own server, with errors that people can read.

import { fill, gettext } from "./text.js";

export function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]").value;
}

// fetch(), or an error in plain words when nobody answers.
export async function request(url, options = {}) {
  try {
    return await fetch(url, { ...options, headers: { "X-CSRFToken": csrfToken(), ...options.headers } });
  } catch {
    throw new Error(gettext("The server cannot be reached. Check the connection and try again."));
  }
}

// The server's own words for why it refused, or the next best.
export async function problemOf(response) {
  const words = fill(gettext("The server answered %(status)s. Reload the page and try again."), { status: response.status });
  return detailOf(await response.text().catch(() => "")) ?? words;
}

export function detailOf(body) {
  try {
    return JSON.parse(body).detail ?? null;
  } catch {
    return null;
  }
}
