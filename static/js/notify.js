// A finished job tells: in the page, in the title of a tab that nobody looks at, and by the browser's own notification
// if the person has allowed that.

import { labelOf, openLabel } from "./labels.js";
import { gettext } from "./text.js";

const MOST_TOASTS = 3;
const TOAST_MS = 12000;
const PREFERENCE = "notify";

export class Notifier {
  // Toasts are put into `region`, a role=status that is on the page from the beginning, or into one of its own.
  // `control` is a button that switches the browser's notifications on and off.
  constructor({ region = ownRegion(), control = null } = {}) {
    this.region = region;
    this.control = control;
    this.title = null;
    document.addEventListener("visibilitychange", () => this.resetTitle());
    if (control) {
      control.addEventListener("click", () => this.toggle());
      this.renderControl();
    }
  }

  // `here`: the page itself shows the job, so that there needs to be no toast about it.
  ended(job, { here = false } = {}) {
    const isDone = job.status === "completed";
    const label = labelOf(job.state, job.bad_rows);
    if (!here) {
      this.addToast(job, label, isDone);
    }
    if (document.hidden) {
      this.title = this.title ?? document.title;
      document.title = `${isDone ? "✓" : "✗"} ${job.filename} – Salesagg`;
    }
    if ((document.hidden || !document.hasFocus()) && this.isOn) {
      this.notify(job, label);
    }
  }

  notify(job, label) {
    try {
      // The tag makes one of it where several tabs tell the same.
      const notification = new Notification(job.filename, { body: label, tag: `${job.id}-${job.version}` });
      notification.addEventListener("click", () => {
        window.focus();
        notification.close();
      });
    } catch {
      // Some phones have the permission and not the constructor.
    }
  }

  resetTitle() {
    if (!document.hidden && this.title !== null) {
      document.title = this.title;
      this.title = null;
    }
  }

  addToast(job, label, isDone) {
    const toast = document.createElement("div");
    toast.className = "notice";
    const text = document.createElement("p");
    text.dataset.state = job.state;
    const dot = document.createElement("span");
    dot.className = "dot";
    dot.ariaHidden = "true";
    const name = document.createElement("strong");
    name.textContent = job.filename;
    text.append(dot, name, ` ${label}`);
    const link = document.createElement("a");
    link.href = job.url;
    link.textContent = isDone ? openLabel(job) : gettext("See why");
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn-close";
    close.setAttribute("aria-label", gettext("Dismiss"));
    close.addEventListener("click", () => toast.remove());
    toast.append(text, link, close);
    this.region.append(toast);
    this.expire(toast);
    [...this.region.querySelectorAll(".notice")].slice(0, -MOST_TOASTS).forEach((old) => old.remove());
  }

  // Goes by itself, but not while somebody is at it.
  expire(toast) {
    window.setTimeout(() => {
      if (document.hidden || toast.matches(":hover, :focus-within")) {
        this.expire(toast);
      } else {
        toast.remove();
      }
    }, TOAST_MS);
  }

  get isOn() {
    return "Notification" in window && Notification.permission === "granted" && remembered() !== "off";
  }

  async toggle() {
    if (Notification.permission === "granted") {
      remember(this.isOn ? "off" : "on");
    } else {
      remember("on");
      await Notification.requestPermission();
    }
    this.renderControl();
  }

  renderControl() {
    this.control.hidden = !("Notification" in window) || Notification.permission === "denied";
    this.control.setAttribute("aria-pressed", String(this.isOn));
  }
}

function ownRegion() {
  const region = document.createElement("div");
  region.className = "notices";
  region.setAttribute("role", "status");
  region.setAttribute("aria-atomic", "false");
  document.body.append(region);
  return region;
}

function remembered() {
  try {
    return window.localStorage.getItem(PREFERENCE);
  } catch {
    return null;
  }
}

function remember(value) {
  try {
    window.localStorage.setItem(PREFERENCE, value);
  } catch {
    // Then it holds for this page alone, as the browser's permission says.
  }
}
