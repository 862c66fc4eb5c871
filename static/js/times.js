// Times in the reader's own zone and language: <time datetime="…" data-time> shows UTC until this has run.

import { locale } from "./text.js";

const format = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[data-time]")) {
    const time = new Date(element.dateTime);
    if (!Number.isNaN(time.getTime())) {
      element.textContent = format.format(time);
    }
  }
}

showTimes();
