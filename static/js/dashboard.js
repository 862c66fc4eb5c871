// The dashboard: choose or drop files, check them, watch them being uploaded and processed, find the older ones.

import { Card, jobShownBy } from "./cards.js";
import { checkSize, lookInto } from "./check.js";
import { ask, prepare } from "./dialog.js";
import { onDrop } from "./dropping.js";
import { count } from "./format.js";
import { csrfToken } from "./http.js";
import { act, Announcer } from "./jobs.js";
import { removalOf } from "./labels.js";
import { Live } from "./live.js";
import { Notifier } from "./notify.js";
import { Pages } from "./pages.js";
import { Queue } from "./queue.js";
import { Reviews } from "./review.js";
import { connectionTeller, problemsTeller } from "./telling.js";
import { fill, gettext, ngettext } from "./text.js";
import { showTimes } from "./times.js";
import { Total } from "./total.js";
import { Uploader } from "./uploads.js";

// How long to wait for the list of unfinished uploads before a file counts as new.
const LIVE_MS = 3000;
const TICK_MS = 1000;

const form = document.getElementById("upload-form");
const input = document.getElementById("files");
const area = document.getElementById("history");
const heading = document.getElementById("jobs-heading");
const filters = document.getElementById("filters");
const template = document.getElementById("job-template");
const dialog = document.getElementById("remove-dialog");
const maxBytes = Number(form.dataset.maxBytes);

const announcer = new Announcer(document.querySelector("#announcements [data-field=voice]"));
const tellProblems = problemsTeller(document.getElementById("upload-problems"));
const notifier = new Notifier({
  region: document.getElementById("announcements"),
  control: document.getElementById("notify"),
});
const uploader = new Uploader({
  url: form.dataset.uploadsUrl,
  csrfToken: csrfToken(),
  chunkBytes: Number(form.dataset.chunkBytes),
});
const queue = new Queue(uploader, onState);
const total = new Total(document.getElementById("total"), queue, announcer);

// Job id -> the job as last heard of; job id -> its card, if it is on the page.
const jobs = new Map();
const cards = new Map();
// Upload id -> the file, for those that this page has begun and that are not over; and what was said of an upload
// before its job was heard of.
const files = new Map();
const earlyStates = new Map();
// Uploads that this page has begun: their end is told even when nothing was heard of them before.
const begun = new Set();

// --- Cards

function list() {
  return document.getElementById("jobs");
}

function adopt(card, job) {
  cards.set(job.id, card);
  return card;
}

// The card of `job`: the one there is, or a new one where the job belongs on what the page shows.
function cardOf(job) {
  const known = cards.get(job.id);
  if (known) {
    return known;
  }
  const element = list().querySelector(`[data-job="${job.id}"]`);
  if (element) {
    return adopt(new Card(element, null), job);
  }
  if (area.dataset.newest !== "true" && !queue.has(job.upload.id)) {
    return null;
  }
  if (isOlderThanAll(job) && !queue.has(job.upload.id)) {
    return null;
  }
  const card = adopt(Card.from(template, job), job);
  list().prepend(card.element);
  renderEmptiness();
  return card;
}

// The snapshot reaches further back than the page.
function isOlderThanAll(job) {
  const shown = [...list().querySelectorAll("[data-field=created]")].map((time) => Date.parse(time.dateTime));
  return shown.length > 0 && Date.parse(job.created_at) < Math.min(...shown);
}

function renderEmptiness() {
  const isEmpty = !list().firstElementChild;
  document.getElementById("no-jobs").hidden = !isEmpty;
  if (!isEmpty) {
    filters.hidden = false;
  }
}

function forget(id) {
  const element = cards.get(id)?.element ?? list().querySelector(`[data-job="${id}"]`);
  const uploadId = jobs.get(id)?.upload.id;
  cards.delete(id);
  jobs.delete(id);
  if (queue.has(uploadId)) {
    queue.stop(uploadId);
  }
  if (element) {
    const hadFocus = element.contains(document.activeElement);
    const next = element.nextElementSibling ?? element.previousElementSibling;
    element.remove();
    renderEmptiness();
    if (hadFocus) {
      (next?.querySelector("h3 a") ?? heading).focus();
    }
  }
}

// --- What the server tells

function onJobs(told) {
  // New cards are put on top one by one, so the newest must come last.
  for (const job of [...told].sort((a, b) => a.created_at.localeCompare(b.created_at))) {
    const before = jobs.get(job.id);
    if (before && job.version < before.version) {
      continue;
    }
    jobs.set(job.id, job);
    const card = cardOf(job);
    if (card) {
      card.update(job);
      if (earlyStates.has(job.upload.id)) {
        card.setLocal(earlyStates.get(job.upload.id));
        earlyStates.delete(job.upload.id);
      }
    }
    follow(job, before);
  }
}

// What a change of `job` means for the upload in this page, and for the person.
function follow(job, before) {
  const { id } = job.upload;
  const hasEnded = job.can_remove && (before ? !before.can_remove : begun.has(id));
  if (hasEnded && job.status !== "cancelled") {
    announcer.states.set(job.id, job.state);
    notifier.ended(job);
  } else {
    announce(job);
  }
  if (job.can_remove && queue.has(id)) {
    queue.stop(id);
  } else if (job.state === "uploading" && before?.can_remove) {
    // It is to run again: with the file, if it is still here.
    if (files.has(id)) {
      send(id, files.get(id));
    } else {
      cards.get(job.id)?.expectFile();
    }
  }
}

function announce(job) {
  announcer.tell(job, cards.get(job.id)?.state);
}

function onState(uploadId, state) {
  if (state === null && jobOf(uploadId)?.can_remove !== true) {
    files.delete(uploadId);
  }
  const job = jobOf(uploadId);
  const card = job && cards.get(job.id);
  if (card) {
    card.setLocal(state);
    announce(job);
  } else {
    earlyStates.set(uploadId, state);
  }
}

function jobOf(uploadId) {
  return [...jobs.values()].find((job) => job.upload.id === uploadId && !job.can_remove) ??
    [...jobs.values()].find((job) => job.upload.id === uploadId);
}

const live = new Live({
  onJobs,
  onRemoved: (ids) => ids.forEach(forget),
  onConnection: connectionTeller(document.getElementById("connection")),
  shown: () => [...list().querySelectorAll("[data-job]")].map((element) => element.dataset.job),
});

// --- What the person does with a job

// Whether or not the socket has told of the job yet: it may be slow, or never come through.
async function onClick(event) {
  const control = event.target.closest("[data-job] [data-action]");
  if (!control) {
    return;
  }
  const { action } = control.dataset;
  const element = control.closest("[data-job]");
  const job = jobs.get(element.dataset.job);
  if (action === "pause") {
    queue.pause(element.dataset.upload);
  } else if (action === "resume") {
    queue.resume(element.dataset.upload);
  } else if (action === "cancel" || action === "retry") {
    event.preventDefault();
    await change(jobShownBy(element), action);
  } else if (action === "remove") {
    // Of a job that is not known yet the page that the link leads to asks.
    if (!job) {
      return;
    }
    event.preventDefault();
    const title = fill(gettext("Remove %(filename)s?"), { filename: job.filename });
    if (await ask(dialog, title, removalOf(job))) {
      await change(job, action);
    }
    return;
  }
  keepFocus(element, control);
}

area.addEventListener("click", onClick);

async function change(job, action) {
  tellProblems([]);
  try {
    const changed = await act(job, action);
    if (changed) {
      onJobs([changed]);
    } else {
      forget(job.id);
      announcer.say(fill(gettext("%(filename)s has been removed."), { filename: job.filename }));
    }
  } catch (error) {
    tellProblems([error.message]);
  }
}

// A button that is not there any more hands the focus on to the one in its place.
function keepFocus(element, control) {
  if (control?.hidden && [control, document.body].includes(document.activeElement)) {
    element.querySelector(".actions > :not([hidden])")?.focus();
  }
}

// --- Choosing files

const reviews = new Reviews(document.getElementById("reviews"), document.getElementById("review-template"), {
  start: async (file, options) => send(await uploader.create(file, options), file),
  onEmpty: () => heading.focus({ preventScroll: true }),
});

function send(id, file) {
  begun.add(id);
  files.set(id, file);
  queue.add(id, file);
  total.render();
}

// The unfinished upload of this very file, if there is one that this page is not sending already.
async function unfinishedUploadOf(file) {
  for (const job of jobs.values()) {
    const same = job.state === "uploading" && job.filename === file.name && job.upload.length === file.size;
    if (same && !queue.has(job.upload.id) && (await uploader.isOf(job.upload.id, file))) {
      return job.upload.id;
    }
  }
  return null;
}

// Begin what can go on at once, put the rest up for review; throws with what is wrong with the file.
async function add(file) {
  checkSize(file, maxBytes);
  if (reviews.has(file)) {
    return;
  }
  const unfinished = await unfinishedUploadOf(file);
  if (unfinished) {
    send(unfinished, file);
  } else {
    reviews.add(file, await lookInto(file));
  }
}

async function addAll(chosen) {
  tellProblems([]);
  await Promise.race([live.ready, new Promise((resolve) => window.setTimeout(resolve, LIVE_MS))]);
  const texts = [];
  for (const file of chosen) {
    try {
      await add(file);
    } catch (error) {
      texts.push(error.message);
    }
  }
  tellProblems(texts);
  reviews.fold();
  const { length } = reviews.panels;
  if (length) {
    announcer.say(fill(ngettext("%(count)s file to check", "%(count)s files to check", length), { count: count(length) }));
    reviews.section.scrollIntoView({ block: "nearest" });
  }
}

form.addEventListener("submit", (event) => event.preventDefault());
input.addEventListener("change", () => {
  const chosen = [...input.files];
  input.value = "";
  addAll(chosen);
});
onDrop(addAll);
prepare(dialog);

// --- The history

// The cards of what this page is sending stay, whatever else it shows.
function keepSending() {
  const kept = [...cards.values()].filter(({ job }) => queue.has(job.upload.id));
  cards.clear();
  for (const card of kept.sort((a, b) => a.job.created_at.localeCompare(b.job.created_at))) {
    const there = list().querySelector(`[data-job="${card.job.id}"]`);
    if (there) {
      there.replaceWith(card.element);
    } else {
      list().prepend(card.element);
    }
    cards.set(card.job.id, card);
  }
}

new Pages({
  form: filters,
  area,
  onSwap: ({ isPage }) => {
    keepSending();
    showTimes(area);
    for (const element of list().querySelectorAll("[data-job]")) {
      const job = jobs.get(element.dataset.job);
      if (job && !cards.has(job.id)) {
        cardOf(job).update(job);
      }
    }
    renderEmptiness();
    live.restart();
    announcer.say(document.getElementById("found").textContent);
    if (isPage) {
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: "nearest" });
    }
  },
  onProblem: (text) => tellProblems([text]),
});

// --- What the time that has passed changes

window.setInterval(() => {
  total.render();
  cards.forEach((card) => {
    if (card.job) {
      card.render();
      announce(card.job);
    }
  });
}, TICK_MS);

// Leaving would interrupt what is being sent; the browser asks first.
window.addEventListener("beforeunload", (event) => {
  if (!queue.isEmpty) {
    event.preventDefault();
  }
});
