// The live socket: jobs as they change. Reconnects by itself; every connection begins with a full snapshot, so nothing
// has to be replayed.

import { language } from "./text.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;
const NOT_LOGGED_IN = 4401;
// A page that redirects visitors to the login page.
const PAGE_FOR_USERS = "/account/";
// As many as the server takes.
const MOST_SHOWN = 50;

export class Live {
  // onJobs(jobs) is told of every job sent, onRemoved(ids) of those that are no more, onConnection(connected) of the
  // state of the connection. shown() gives the ids of the jobs on the page, which may be older than the latest ones.
  constructor({ onJobs, onRemoved = () => {}, onConnection = () => {}, shown = () => [] }) {
    this.onJobs = onJobs;
    this.onRemoved = onRemoved;
    this.onConnection = onConnection;
    this.shown = shown;
    this.delay = FIRST_DELAY;
    this.timer = null;
    this.socket = null;
    // Kept when the first snapshot has been told.
    this.ready = new Promise((resolve) => {
      this.tellReady = resolve;
    });
    this.open();
    window.addEventListener("online", () => this.reopen());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        this.reopen();
      }
    });
  }

  open() {
    const scheme = window.location.protocol === "https:" ? "wss" : "ws";
    const asked = this.shown().slice(0, MOST_SHOWN);
    const query = new URLSearchParams([["language", language], ...asked.map((id) => ["job", id])]);
    const socket = new WebSocket(`${scheme}://${window.location.host}/ws/jobs/?${query}`);
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      if (socket === this.socket) {
        this.onMessage(JSON.parse(event.data), asked);
      }
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.socket) {
        return;
      }
      if (event.code === NOT_LOGGED_IN) {
        this.reloadIfLoggedOut();
      }
      this.onConnection(false);
      this.timer = window.setTimeout(() => this.open(), this.delay * (0.75 + Math.random() / 2));
      this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
    });
  }

  // The socket says that nobody is logged in. Ask a page by HTTP before reloading: a proxy that removes cookies from
  // sockets alone would otherwise make the page reload forever.
  async reloadIfLoggedOut() {
    const response = await fetch(PAGE_FOR_USERS, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (response?.type === "opaqueredirect") {
      window.location.reload();
    }
  }

  onMessage(message, asked) {
    this.delay = FIRST_DELAY;
    this.onConnection(true);
    if (message.type === "removed") {
      this.onRemoved(message.jobs);
      return;
    }
    this.onJobs(message.jobs);
    if (message.type === "snapshot") {
      const there = new Set(message.jobs.map((job) => job.id));
      const gone = asked.filter((id) => !there.has(id));
      if (gone.length) {
        this.onRemoved(gone);
      }
      this.tellReady();
    }
  }

  // At once, if the connection is down: the network or the person has come back.
  reopen() {
    if (this.socket.readyState === WebSocket.CLOSED) {
      this.restart();
    }
  }

  // Anew: the page shows other jobs now.
  restart() {
    const before = this.socket;
    window.clearTimeout(this.timer);
    this.delay = FIRST_DELAY;
    this.open();
    if (before.readyState === WebSocket.CONNECTING) {
      // Closed before it is open, it would count as an error in the console.
      before.addEventListener("open", () => before.close());
    } else {
      before.close();
    }
  }
}
