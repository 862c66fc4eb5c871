// A webhook's page: copying its secret, and a log that follows what is on its way.

import { enableCopying } from "./copy.js";
import { showTimes } from "./times.js";

// Soon at first, since most messages arrive at once; then less often, and not for ever.
const LOOKS_MS = [700, 1000, 1500, 2000, 3000, 5000, 5000, 5000, 10000, 10000, 20000];
const log = document.getElementById("log");

enableCopying();

// Where the browser lets no script copy, the whole secret is one click away from being copied by hand.
const secret = document.getElementById("secret");
secret?.addEventListener("focus", () => secret.select());

// Put in place what has changed: the texts alone, so that what is open stays open, and the focus where it is.
function update(fresh) {
  for (const item of fresh.querySelectorAll("li[data-version]")) {
    const shown = document.getElementById(item.id);
    if (shown && shown.dataset.version !== item.dataset.version) {
      Object.assign(shown.dataset, item.dataset);
      shown.querySelector("div").replaceWith(item.querySelector("div"));
      showTimes(shown);
    }
  }
}

async function look() {
  const response = await fetch(log.dataset.url + window.location.search);
  if (response.ok && !response.redirected) {
    update(new DOMParser().parseFromString(await response.text(), "text/html"));
  }
}

async function follow() {
  for (const wait of LOOKS_MS) {
    if (!log.querySelector("li[data-state=pending]")) {
      return;
    }
    await new Promise((done) => window.setTimeout(done, wait));
    await look().catch(() => {});
  }
}

follow();
