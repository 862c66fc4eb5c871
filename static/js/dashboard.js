// The dashboard: choose or drop files, watch them being uploaded and processed.

import { Card } from "./cards.js";
import { bytes } from "./format.js";
import { act, Announcer, csrfToken } from "./jobs.js";
import { Live } from "./live.js";
import { Uploader } from "./uploads.js";

const form = document.getElementById("upload-form");
const list = document.getElementById("jobs");
const template = document.getElementById("job-template");
const problem = document.getElementById("upload-problem");
const announcer = new Announcer(document.getElementById("announcements"));
const maxBytes = Number(form.dataset.maxBytes);
const uploader = new Uploader({
  url: form.dataset.uploadsUrl,
  csrfToken: csrfToken(),
  chunkBytes: Number(form.dataset.chunkBytes),
});

// Job id -> card; upload id -> what this page is sending, and what it said before its job's card was there.
const cards = new Map();
const sendings = new Map();
const earlyStates = new Map();

function cardOf(job) {
  let card = cards.get(job.id);
  if (!card) {
    const element = list.querySelector(`[data-job="${job.id}"]`);
    card = element ? new Card(element, null) : Card.from(template, job);
    if (!element) {
      list.prepend(card.element);
      document.getElementById("no-jobs").hidden = true;
    }
    card.element.addEventListener("click", (event) => onClick(event, card));
    cards.set(job.id, card);
  }
  return card;
}

function onJobs(jobs) {
  // New cards are put on top one by one, so the newest must come last.
  for (const job of [...jobs].sort((a, b) => a.created_at.localeCompare(b.created_at))) {
    const card = cardOf(job);
    card.update(job);
    announcer.tell(job);
    if (earlyStates.has(job.upload.id)) {
      card.setLocal(earlyStates.get(job.upload.id));
      earlyStates.delete(job.upload.id);
    }
    const sending = sendings.get(job.upload.id);
    if (sending && !job.can_cancel && job.status !== "completed") {
      sendings.delete(job.upload.id);
      sending.stop();
    }
  }
}

function onState(uploadId, state) {
  if (state === null) {
    sendings.delete(uploadId);
  }
  const card = [...cards.values()].find((known) => known.job.upload.id === uploadId);
  if (card) {
    card.setLocal(state);
  } else {
    earlyStates.set(uploadId, state);
  }
}

async function onClick(event, card) {
  const action = event.target.dataset.action;
  const sending = sendings.get(card.job.upload.id);
  if (action === "pause") {
    sending.pause();
  } else if (action === "resume") {
    sending.resume();
  } else if (action === "cancel" || action === "retry") {
    try {
      card.update(await act(card.job, action));
    } catch (error) {
      tellProblem(error.message);
    }
  }
}

function tellProblem(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

// The unfinished upload of this very file, if there is one that this page is not sending already.
async function unfinishedUploadOf(file) {
  for (const { job } of cards.values()) {
    const same = job.state === "uploading" && job.filename === file.name && job.upload.length === file.size;
    if (same && !sendings.has(job.upload.id) && (await uploader.isOf(job.upload.id, file))) {
      return job.upload.id;
    }
  }
  return null;
}

async function add(file) {
  if (file.size === 0) {
    throw new Error(`${file.name} is empty.`);
  }
  if (file.size > maxBytes) {
    throw new Error(`${file.name} has ${bytes(file.size)}; files may have at most ${bytes(maxBytes)}.`);
  }
  const id = (await unfinishedUploadOf(file)) ?? (await uploader.create(file));
  sendings.set(id, uploader.send(id, file, (state) => onState(id, state)));
}

async function addAll(files) {
  tellProblem("");
  const problems = [];
  for (const file of files) {
    try {
      await add(file);
    } catch (error) {
      problems.push(error.message);
    }
  }
  tellProblem(problems.join(" "));
}

form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("files").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  addAll(files);
});

document.addEventListener("dragover", (event) => {
  if (event.dataTransfer.types.includes("Files")) {
    event.preventDefault();
    document.body.classList.add("dragging");
  }
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) {
    document.body.classList.remove("dragging");
  }
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  addAll([...event.dataTransfer.files]);
});

// Leaving would interrupt what is being sent; the browser asks first.
window.addEventListener("beforeunload", (event) => {
  if (sendings.size) {
    event.preventDefault();
  }
});

new Live({
  onJobs,
  onConnection: (connected) => {
    document.getElementById("connection").hidden = connected;
  },
});

// Labels that depend on the time that has passed.
window.setInterval(() => cards.forEach((card) => card.render()), 2000);
