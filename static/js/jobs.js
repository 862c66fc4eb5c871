// What a person can do about a job, wherever its card is shown.

import { labelOf } from "./labels.js";

export function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]").value;
}

// POST /jobs/<id>/<action>; returns the job as it is then, or throws with the server's words.
export async function act(job, action) {
  const response = await fetch(`${job.url}${action}`, {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Error(answer.detail ?? "That did not work. Reload the page and try again.");
  }
  return answer;
}

// A polite voice for screen readers: it tells each change of state, and no progress.
export class Announcer {
  constructor(element) {
    this.element = element;
    this.states = new Map();
  }

  tell(job) {
    const before = this.states.get(job.id);
    this.states.set(job.id, job.state);
    if (before !== undefined && before !== job.state) {
      this.element.textContent = `${job.filename}: ${labelOf(job.state, job.bad_rows)}`;
    }
  }
}
