// Numbers as people read them, in their locale.

import { fill, gettext, language, locale } from "./text.js";

const integer = new Intl.NumberFormat(locale);
const oneDigit = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const conjunction = new Intl.ListFormat(language, { type: "conjunction" });
const percentage = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function count(value) {
  return integer.format(value);
}

export function bytes(value) {
  let unit = 0;
  let rounded = value;
  // Rounded each time: what would be told as a thousand of one is one of the next.
  while (rounded >= 1000 && unit < UNITS.length - 1) {
    unit += 1;
    rounded = Math.round((value / 1000 ** unit) * 10) / 10;
  }
  return `${oneDigit.format(rounded)} ${UNITS[unit]}`;
}

// "Name, E-mail and Company".
export function list(names) {
  return conjunction.format(names);
}

export function shortened(value, length = 40) {
  return value.length > length ? `${value.slice(0, length)}…` : value;
}

// Part of a whole, never 100 % before it is all there.
export function percent(part, whole) {
  return percentage.format(Math.floor((part * 100) / (whole || 1)) / 100);
}

// "about 2 min", rounded so that it does not flicker.
export function duration(seconds) {
  if (seconds < 10) {
    return gettext("a few seconds");
  }
  if (seconds < 60) {
    return fill(gettext("about %(count)s s"), { count: Math.ceil(seconds / 10) * 10 });
  }
  if (seconds < 3600) {
    return fill(gettext("about %(count)s min"), { count: Math.ceil(seconds / 60) });
  }
  return fill(gettext("about %(count)s h"), { count: oneDigit.format(seconds / 3600) });
}

// How fast a number grows, over the last seconds.
export class Rate {
  constructor(windowMs = 5000) {
    this.windowMs = windowMs;
    this.samples = [];
  }

  add(value, now = performance.now()) {
    this.samples.push({ value, now });
    while (this.samples.length > 2 && now - this.samples[0].now > this.windowMs) {
      this.samples.shift();
    }
  }

  reset() {
    this.samples = [];
  }

  // A second, or null until there is enough to tell.
  perSecond(minimumMs = 500) {
    if (this.samples.length < 2) {
      return null;
    }
    const first = this.samples[0];
    const last = this.samples[this.samples.length - 1];
    const elapsed = last.now - first.now;
    return elapsed < minimumMs ? null : ((last.value - first.value) * 1000) / elapsed;
  }
}
