// One line about all that the page is sending: how many files are done, how fast, how long it will take.

import { bytes, count, duration, percent } from "./format.js";
import { fill, gettext } from "./text.js";

const ETA_AFTER_MS = 3000;

export class Total {
  constructor(element, queue, announcer) {
    this.element = element;
    this.queue = queue;
    this.announcer = announcer;
    this.movingSince = null;
  }

  render() {
    const { files, done, sent, bytes: size, rate } = this.queue.totals;
    this.movingSince = rate > 0 ? (this.movingSince ?? performance.now()) : null;
    const parts = [];
    if (!this.queue.isEmpty && files > 1) {
      parts.push(fill(gettext("%(done)s of %(count)s uploaded"), { done: count(done), count: count(files) }));
      if (rate > 0) {
        parts.push(fill(gettext("%(amount)s/s"), { amount: bytes(rate) }));
        if (performance.now() - this.movingSince > ETA_AFTER_MS) {
          parts.push(fill(gettext("%(time)s left"), { time: duration((size - sent) / rate) }));
        }
      }
    }
    this.element.textContent = parts.join(" · ");
    if (!this.queue.isEmpty) {
      this.announcer.progress(fill(gettext("%(percent)s uploaded"), { percent: percent(sent, size) }));
    }
  }
}
