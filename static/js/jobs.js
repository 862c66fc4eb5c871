// What a person can do about a job, wherever its card is shown.

import { csrfToken, problemOf, request } from "./http.js";
import { labelOf } from "./labels.js";

export { csrfToken };

// Progress is told at most so often; a change of state at once.
const PROGRESS_MS = 8000;

// POST /jobs/<id>/<action>; returns the job as it is then, null when it is no more, or throws with the server's words.
export async function act(job, action) {
  const response = await request(`${job.url}${action}`, { method: "POST", headers: { Accept: "application/json" } });
  if (!response.ok) {
    throw new Error(await problemOf(response));
  }
  return response.status === 204 ? null : response.json();
}

// A polite voice for screen readers: it tells each change of state, and now and then how far things are.
export class Announcer {
  constructor(element) {
    this.element = element;
    this.states = new Map();
    this.progressAt = performance.now();
    this.progressTold = "";
  }

  say(text) {
    this.element.textContent = text;
  }

  // `state` is what the page shows, where it knows more than the server.
  tell(job, state = job.state) {
    const before = this.states.get(job.id);
    this.states.set(job.id, state);
    if (before !== undefined && before !== state) {
      this.say(`${job.filename}: ${labelOf(state, job.bad_rows)}`);
    }
  }

  progress(text) {
    const now = performance.now();
    if (text && text !== this.progressTold && now - this.progressAt >= PROGRESS_MS) {
      this.progressAt = now;
      this.progressTold = text;
      this.say(text);
    }
  }
}
