// Job cards: the server renders the first state, this keeps it true.

import { bytes, count, duration, Rate } from "./format.js";
import { labelOf, openLabel, rowsOf } from "./labels.js";
import { fill, gettext } from "./text.js";
import { showTimes } from "./times.js";

const ETA_AFTER_MS = 3000;
// An upload that has not grown for so long has nobody sending it; a slow line may need that long for a chunk.
const QUIET_MS = 30000;
// On a page that has just been opened nothing is known of the time before; wait a little before saying so.
const FIRST_QUIET_MS = 3000;

export class Card {
  constructor(element, job) {
    this.element = element;
    this.job = job;
    // What this page does for the upload: null, or { state, sent, problem, place }.
    this.local = null;
    // Whether this page has sent all of it, whatever the server has told of that yet.
    this.isSent = false;
    this.offset = job ? job.upload.offset : 0;
    this.offsetChanged = performance.now() - QUIET_MS + FIRST_QUIET_MS;
    this.uploadRate = new Rate();
    this.rowRate = new Rate();
    this.rateSince = null;
  }

  static from(template, job) {
    const element = template.content.firstElementChild.cloneNode(true);
    element.dataset.job = job.id;
    element.dataset.upload = job.upload.id;
    return new Card(element, job);
  }

  field(name) {
    return this.element.querySelector(`[data-field="${name}"]`);
  }

  action(name) {
    return this.element.querySelector(`[data-action="${name}"]`);
  }

  // Take what the server says; older news than what is known is ignored.
  update(job) {
    if (this.job && job.version < this.job.version) {
      return;
    }
    const now = performance.now();
    if (this.job && job.upload.offset > this.offset) {
      this.offset = job.upload.offset;
      this.offsetChanged = now;
    }
    this.rowRate.add(job.rows, now);
    if (!this.local) {
      this.uploadRate.add(job.upload.offset, now);
    }
    this.job = job;
    this.render();
  }

  // Take what the upload in this page says.
  setLocal(local) {
    if (!local || !this.local || local.state !== this.local.state) {
      this.uploadRate.reset();
      this.rateSince = null;
    }
    this.local = local;
    this.isSent = !local;
    if (local && local.state === "uploading" && local.sent !== null) {
      this.uploadRate.add(local.sent);
      this.rateSince = this.rateSince ?? performance.now();
    }
    this.render();
  }

  // This page was sending the file, and has it no more.
  expectFile() {
    this.isSent = false;
    this.offsetChanged = -QUIET_MS;
    this.render();
  }

  // The state to show: the page knows more about its own upload than the server does.
  get state() {
    if (this.local && this.job.upload.state === "receiving" && this.job.can_cancel) {
      return this.local.state;
    }
    return this.isWaitingForFile ? "waiting" : this.job.state;
  }

  // An unfinished upload that nobody seems to be sending.
  get isWaitingForFile() {
    const isQuiet = performance.now() - this.offsetChanged > QUIET_MS;
    return this.job.state === "uploading" && !this.local && !this.isSent && isQuiet;
  }

  render() {
    const { job, state } = this;
    this.field("filename").textContent = job.filename;
    this.field("link").href = job.url;
    this.field("report").href = job.url;
    this.field("columns").href = `${job.url}#again`;
    this.field("columns").hidden = job.error_code !== "missing_columns";
    this.field("state").dataset.state = state;
    this.field("label").textContent = labelOf(state, job.bad_rows);
    if (!job.can_remove) {
      this.element.classList.remove("compact");
    }
    this.renderUpload(state);
    this.renderWork();
    this.renderTexts(state);
    this.action("pause").hidden = !this.local || !(state === "uploading" || state === "queued");
    this.action("resume").hidden = !(this.local && (state === "paused" || state === "reconnecting"));
    this.action("cancel").hidden = !job.can_cancel;
    this.action("retry").hidden = !job.can_retry;
    this.action("remove").hidden = !job.can_remove;
    this.action("remove").href = `${job.url}remove`;
    this.field("report").hidden = job.status !== "completed";
    this.field("report").textContent = openLabel(job);
    for (const action of this.element.querySelectorAll(".actions > *")) {
      action.setAttribute("aria-label", `${action.textContent.trim()}: ${job.filename}`);
    }
  }

  renderUpload(state) {
    const { length, offset } = this.job.upload;
    const sent = Math.max(offset, this.local?.sent ?? 0);
    const bar = this.field("upload-bar");
    bar.setAttribute("aria-label", fill(gettext("Upload of %(filename)s"), { filename: this.job.filename }));
    setBar(bar, sent, length, { isOver: this.job.can_remove });
    const parts = [this.job.upload.state === "complete" ? bytes(length) : sizes(sent, length)];
    const rate = this.uploadRate.perSecond();
    if (state === "uploading" && rate > 0) {
      parts.push(fill(gettext("%(amount)s/s"), { amount: bytes(rate) }));
      if (length !== null && this.rateSince !== null && performance.now() - this.rateSince > ETA_AFTER_MS) {
        parts.push(fill(gettext("%(time)s left"), { time: duration((length - sent) / rate) }));
      }
    } else if (state === "paused") {
      parts.push(gettext("Paused"));
    } else if (state === "queued" && this.local) {
      parts.push(fill(gettext("Place %(place)s in the queue"), { place: count(this.local.place) }));
    }
    write(this.field("upload-figures"), parts.join(" · "));
  }

  renderWork() {
    const { job } = this;
    const bar = this.field("work-bar");
    bar.setAttribute("aria-label", fill(gettext("Processing of %(filename)s"), { filename: job.filename }));
    const done = job.status === "completed" ? job.upload.length : job.bytes_done;
    setBar(bar, done, job.upload.length, { isOver: job.can_remove });
    const rows = rowsOf(job);
    const parts = [rows];
    if (job.bad_rows) {
      parts.push(fill(gettext("%(count)s rejected"), { count: count(job.bad_rows) }));
    }
    const rate = this.rowRate.perSecond();
    if (job.can_cancel && rate > 0) {
      parts.push(fill(gettext("%(count)s rows/s"), { count: count(Math.round(rate)) }));
    }
    write(this.field("work-figures"), parts.join(" · "));
    if (this.element.classList.contains("compact")) {
      const size = job.upload.state === "complete" ? bytes(job.upload.length) : sizes(job.upload.offset, job.upload.length);
      write(this.field("summary"), `${size} · ${rows}`);
    }
  }

  renderTexts(state) {
    const created = this.field("created");
    if (created.dateTime !== this.job.created_at) {
      created.dateTime = this.job.created_at;
      showTimes(this.element);
    }
    const error = this.job.error || (this.local && this.local.problem) || "";
    write(this.field("error"), error);
    this.field("error").hidden = !error;
    const hint = this.field("hint");
    hint.hidden = state !== "waiting";
    if (!hint.hidden) {
      const { filename, upload } = this.job;
      const text = upload.offset
        ? gettext("%(size)s have arrived. Choose %(filename)s again to go on from there.")
        : gettext("Nothing has arrived yet. Choose %(filename)s again to upload it.");
      write(hint, fill(text, { filename, size: bytes(upload.offset) }));
    }
  }
}

// What a card says of its job, whether or not the socket has told of it yet.
export function jobShownBy(element) {
  const link = element.querySelector("[data-field=link]");
  return { id: element.dataset.job, url: link.getAttribute("href"), filename: link.textContent };
}

function sizes(part, whole) {
  return whole === null ? bytes(part) : fill(gettext("%(part)s of %(whole)s"), { part: bytes(part), whole: bytes(whole) });
}

// What has not changed is left alone, so that a selection in it stays.
function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

// A bar never goes back, but ends where things are; without a total it shows that something is going on.
function setBar(bar, value, total, { isOver }) {
  if (total === null) {
    bar.removeAttribute("value");
    return;
  }
  const maximum = total || 1;
  const before = bar.max === maximum && bar.hasAttribute("value") ? bar.value : 0;
  bar.max = maximum;
  bar.value = total === 0 ? 1 : Math.max(isOver ? 0 : before, value);
}
