// The files that this page is sending: a few at a time, the others wait for their turn.

import { Rate } from "./format.js";

const AT_A_TIME = 3;
// An entry in one of these states takes a place on the line.
const ACTIVE = ["uploading", "reconnecting"];

export class Queue {
  // onState(uploadId, state) tells how an upload goes: { state, sent, problem, place }; null when it is over.
  constructor(uploader, onState) {
    this.uploader = uploader;
    this.onState = onState;
    // Upload id -> { file, state, sending, sent, told }.
    this.entries = new Map();
    this.batch = { files: 0, done: 0, doneBytes: 0 };
    this.rate = new Rate();
  }

  has(id) {
    return this.entries.has(id);
  }

  get isEmpty() {
    return this.entries.size === 0;
  }

  // Send `file` as the upload `id`, as soon as there is a place.
  add(id, file) {
    if (this.isEmpty) {
      this.batch = { files: 0, done: 0, doneBytes: 0 };
      this.rate.reset();
    }
    this.batch.files += 1;
    this.entries.set(id, { file, state: "queued", sending: null, sent: null, told: "" });
    this.fill();
  }

  pause(id) {
    const entry = this.entries.get(id);
    if (entry.sending) {
      entry.sending.pause();
    } else {
      this.onEntry(id, { state: "paused", sent: null, problem: "" });
    }
  }

  // At once, or when there is a place again.
  resume(id) {
    const entry = this.entries.get(id);
    if (entry.state === "reconnecting") {
      entry.sending.resume();
    } else {
      entry.state = "queued";
      this.fill();
    }
  }

  // For good: the job is over.
  async stop(id) {
    const entry = this.entries.get(id);
    this.forget(id, entry);
    this.batch.files -= 1;
    if (entry.sending) {
      await entry.sending.stop();
    } else {
      this.onState(id, null);
    }
  }

  fill() {
    const waiting = [...this.entries].filter(([, entry]) => entry.state === "queued");
    let places = AT_A_TIME - [...this.entries.values()].filter((entry) => ACTIVE.includes(entry.state)).length;
    let place = 0;
    for (const [id, entry] of waiting) {
      if (places > 0) {
        places -= 1;
        this.begin(id, entry);
      } else {
        place += 1;
        this.tell(id, entry, { state: "queued", sent: entry.sent, problem: "", place });
      }
    }
  }

  begin(id, entry) {
    entry.state = "uploading";
    if (entry.sending) {
      entry.sending.resume();
    } else {
      entry.sending = this.uploader.send(id, entry.file, (state) => this.onEntry(id, state));
    }
  }

  onEntry(id, state) {
    const entry = this.entries.get(id);
    if (!entry) {
      this.onState(id, state);
      return;
    }
    if (state === null) {
      this.batch.done += 1;
      this.batch.doneBytes += entry.file.size;
      this.forget(id, entry);
      this.onState(id, null);
      return;
    }
    const hadPlace = ACTIVE.includes(entry.state);
    entry.state = state.state;
    entry.sent = state.sent ?? entry.sent;
    this.tell(id, entry, state);
    if (hadPlace && !ACTIVE.includes(entry.state)) {
      this.fill();
    }
  }

  // Places in the queue are told only when they change.
  tell(id, entry, state) {
    const words = state.state === "queued" ? `queued ${state.place}` : "";
    if (!words || words !== entry.told) {
      entry.told = words;
      this.onState(id, state);
    }
  }

  forget(id) {
    this.entries.delete(id);
    this.fill();
  }

  // Of all files since the queue was last empty: how many there are and have been sent, bytes, and bytes a second.
  get totals() {
    const entries = [...this.entries.values()];
    const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
    const sent = this.batch.doneBytes + sum(entries.map((entry) => entry.sent ?? 0));
    const isMoving = entries.some((entry) => entry.state === "uploading" && entry.sent !== null);
    if (isMoving) {
      this.rate.add(sent);
    } else {
      this.rate.reset();
    }
    const bytes = this.batch.doneBytes + sum(entries.map((entry) => entry.file.size));
    return { files: this.batch.files, done: this.batch.done, sent, bytes, rate: isMoving ? this.rate.perSecond() : null };
  }
}
