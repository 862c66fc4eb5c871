// The report page: live while its job runs. What stands below the card is fetched anew as the job comes further.

import { Card, jobShownBy } from "./cards.js";
import { drawCharts, keepCharts } from "./charts.js";
import { enableCopying } from "./copy.js";
import { act, Announcer } from "./jobs.js";
import { Live } from "./live.js";
import { Notifier } from "./notify.js";
import { renew } from "./renew.js";
import { Table } from "./table.js";
import { showTimes } from "./times.js";

// Partial totals are added up anew for every look at them; this often at most, and less often where it takes long.
const PAUSE_MS = 1500;
const PAUSE_FACTOR = 5;

const element = document.querySelector("[data-job]");
const body = document.getElementById("report-body");
const announcer = new Announcer(document.getElementById("announcements"));
const card = new Card(element, null);
const notifier = new Notifier();
const statuses = new Map([[element.dataset.job, body.dataset.status]]);

// What the page shows, and is to show.
let shown = body.dataset.shown;
let wanted = null;
let fetching = false;

// How far a job is, as far as the page below the card depends on it; report.html writes it so too.
function stageOf(job) {
  return `${job.state} ${job.rows} ${job.undone_at ?? ""}`;
}

function enable() {
  showTimes(body);
  drawCharts(body);
  enableCopying(body);
  const totals = document.getElementById("totals");
  if (totals) {
    new Table(totals);
  }
}

// Fetch what is below the card until it shows what is known of the job; one request at a time.
async function refresh() {
  if (fetching) {
    return;
  }
  fetching = true;
  while (wanted && stageOf(wanted) !== shown) {
    const next = wanted;
    const began = performance.now();
    try {
      const response = await fetch(`${next.url}body${window.location.search}`);
      if (!response.ok || response.redirected) {
        break;
      }
      const fresh = document.createElement("template");
      fresh.innerHTML = await response.text();
      keepCharts(fresh.content);
      renew(body, fresh.content);
      body.dataset.status = next.status;
      shown = stageOf(next);
      enable();
    } catch {
      // The network is away; the next message of the socket brings us back here.
      break;
    }
    const pause = Math.max(PAUSE_MS, (performance.now() - began) * PAUSE_FACTOR);
    await new Promise((resolve) => window.setTimeout(resolve, pause));
  }
  fetching = false;
}

// Tell of jobs that have ended since they were last heard of, this one and others.
function tellEnds(jobs) {
  for (const job of jobs) {
    const before = statuses.get(job.id);
    statuses.set(job.id, job.status);
    if (before && before !== job.status && ["completed", "failed"].includes(job.status)) {
      notifier.ended(job, { here: job.id === element.dataset.job });
    }
  }
}

function onJobs(jobs) {
  tellEnds(jobs);
  const job = jobs.find((candidate) => candidate.id === element.dataset.job);
  if (!job) {
    return;
  }
  card.update(job);
  card.field("report").hidden = true;
  announcer.tell(job);
  wanted = job;
  refresh();
}

function onRemoved(ids) {
  if (ids.includes(element.dataset.job)) {
    window.location.assign("/");
  }
}

element.addEventListener("click", async (event) => {
  const action = event.target.dataset.action;
  if (action === "cancel" || action === "retry") {
    event.preventDefault();
    try {
      onJobs([await act(jobShownBy(element), action)]);
    } catch (error) {
      card.field("error").textContent = error.message;
      card.field("error").hidden = false;
    }
  }
});

enable();
new Live({ shown: () => [element.dataset.job], onJobs, onRemoved, onConnection: () => {} });
