// The live socket: jobs as they change. Reconnects by itself; every connection begins with a full snapshot, so nothing
// has to be replayed.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;
const NOT_LOGGED_IN = 4401;

export class Live {
  // onJobs(jobs) is told of every job sent; onConnection(connected) of the state of the connection.
  constructor({ onJobs, onConnection }) {
    this.onJobs = onJobs;
    this.onConnection = onConnection;
    this.delay = FIRST_DELAY;
    this.timer = null;
    this.socket = null;
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
    const socket = new WebSocket(`${scheme}://${window.location.host}/ws/jobs/`);
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      this.delay = FIRST_DELAY;
      this.onConnection(true);
      this.onJobs(JSON.parse(event.data).jobs);
    });
    socket.addEventListener("close", (event) => {
      if (event.code === NOT_LOGGED_IN) {
        window.location.reload();
        return;
      }
      this.onConnection(false);
      this.timer = window.setTimeout(() => this.open(), this.delay * (0.75 + Math.random() / 2));
      this.delay = Math.min(this.delay * 2, LONGEST_DELAY);
    });
  }

  // At once, if the connection is down: the network or the person has come back.
  reopen() {
    if (this.socket.readyState === WebSocket.CLOSED) {
      window.clearTimeout(this.timer);
      this.delay = FIRST_DELAY;
      this.open();
    }
  }
}
