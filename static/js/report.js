// The report page: live while the job runs, and reloaded once when its totals are there.

import { Card } from "./cards.js";
import { act, Announcer } from "./jobs.js";
import { Live } from "./live.js";

const element = document.querySelector("[data-job]");
const announcer = new Announcer(document.getElementById("announcements"));
const card = new Card(element, null);
const shownAsCompleted = !element.querySelector("[data-field=report]").hidden;

function onJobs(jobs) {
  const job = jobs.find((candidate) => candidate.id === element.dataset.job);
  if (!job) {
    return;
  }
  if (job.status === "completed" && !shownAsCompleted) {
    window.location.reload();
    return;
  }
  card.update(job);
  card.field("report").hidden = true;
  announcer.tell(job);
}

element.addEventListener("click", async (event) => {
  const action = event.target.dataset.action;
  if (action === "cancel" || action === "retry") {
    try {
      onJobs([await act(card.job, action)]);
    } catch (error) {
      card.field("error").textContent = error.message;
      card.field("error").hidden = false;
    }
  }
});

new Live({ onJobs, onConnection: () => {} });
