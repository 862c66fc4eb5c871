// Job cards: the server renders the first state, this keeps it true.

import { bytes, count, duration, Rate } from "./format.js";
import { labelOf } from "./labels.js";

const ETA_AFTER_MS = 3000;
// An upload that has not grown for so long has nobody sending it; a slow line may need that long for a chunk.
const QUIET_MS = 30000;
// On a page that has just been opened nothing is known of the time before; wait a little before saying so.
const FIRST_QUIET_MS = 3000;

export class Card {
  constructor(element, job) {
    this.element = element;
    this.job = job;
    // What this page does for the upload: null, or { state, sent, problem }.
    this.local = null;
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
    if (local && local.state === "uploading") {
      this.uploadRate.add(local.sent);
      this.rateSince = this.rateSince ?? performance.now();
    }
    this.render();
  }

  // The state to show: the page knows more about its own upload than the server does.
  get state() {
    if (this.local && this.job.upload.state === "receiving" && this.job.can_cancel) {
      return this.local.state;
    }
    return this.job.state;
  }

  // An unfinished upload that nobody seems to be sending.
  get isWaitingForFile() {
    return this.job.state === "uploading" && !this.local && performance.now() - this.offsetChanged > QUIET_MS;
  }

  render() {
    const { job } = this;
    const state = this.state;
    this.field("filename").textContent = job.filename;
    this.field("link").href = job.url;
    this.field("report").href = job.url;
    this.field("state").dataset.state = this.isWaitingForFile ? "paused" : state;
    this.field("label").textContent = labelOf(this.isWaitingForFile ? "waiting" : state, job.bad_rows);
    this.renderUpload(state);
    this.renderWork();
    this.renderTexts();
    this.action("pause").hidden = state !== "uploading" || !this.local;
    this.action("resume").hidden = !(this.local && (state === "paused" || state === "reconnecting"));
    this.action("cancel").hidden = !job.can_cancel;
    this.action("retry").hidden = !job.can_retry;
    this.field("report").hidden = job.status !== "completed";
  }

  renderUpload(state) {
    const { length, offset } = this.job.upload;
    const sent = Math.max(offset, this.local ? this.local.sent : 0);
    const bar = this.field("upload-bar");
    bar.setAttribute("aria-label", `Upload of ${this.job.filename}`);
    setBar(bar, sent, length);
    const parts = [length === null ? bytes(sent) : `${bytes(sent)} of ${bytes(length)}`];
    const rate = this.uploadRate.perSecond();
    if (state === "uploading" && rate) {
      parts.push(`${bytes(rate)}/s`);
      if (this.rateSince !== null && performance.now() - this.rateSince > ETA_AFTER_MS) {
        parts.push(`${duration((length - sent) / rate)} left`);
      }
    }
    this.field("upload-figures").textContent = parts.join(" · ");
  }

  renderWork() {
    const { job } = this;
    const bar = this.field("work-bar");
    bar.setAttribute("aria-label", `Processing of ${job.filename}`);
    setBar(bar, job.status === "completed" ? job.upload.length : job.bytes_done, job.upload.length);
    const parts = [`${count(job.rows)} rows`];
    if (job.bad_rows) {
      parts.push(`${count(job.bad_rows)} rejected`);
    }
    const rate = this.rowRate.perSecond();
    if (job.can_cancel && rate > 0) {
      parts.push(`${count(Math.round(rate))} rows/s`);
    }
    this.field("work-figures").textContent = parts.join(" · ");
  }

  renderTexts() {
    const error = this.job.error || (this.local && this.local.problem) || "";
    this.field("error").textContent = error;
    this.field("error").hidden = !error;
    const hint = this.field("hint");
    hint.hidden = !this.isWaitingForFile;
    if (!hint.hidden) {
      hint.textContent = `${bytes(this.job.upload.offset)} have arrived. Choose ${this.job.filename} again to go on from there.`;
    }
  }
}

// A bar never goes back; without a total it shows that something is going on.
function setBar(bar, value, total) {
  if (total === null) {
    bar.removeAttribute("value");
    return;
  }
  const maximum = total || 1;
  const before = bar.max === maximum && bar.hasAttribute("value") ? bar.value : 0;
  bar.max = maximum;
  bar.value = total === 0 ? 1 : Math.max(before, value);
}
