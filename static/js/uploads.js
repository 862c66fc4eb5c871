// Sending a file in chunks over tus, with pause, resume, and patience with the network. window.tus is tus-js-client.

import { detailOf, problemOf, request } from "./http.js";
import { gettext } from "./text.js";

const RETRY_DELAYS = [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000];
// When the client has given up, the page still asks every minute: the server may be away for a long time.
const LAST_RETRY_DELAY = 60000;
const TUS_VERSION = "1.0.0";
// What a later attempt can mend: the network, the server, somebody else's chunk (409, 423), damage on the way (460).
const RETRIED_STATUSES = [0, 409, 423, 429, 460];

export class Uploader {
  constructor({ url, csrfToken, chunkBytes }) {
    this.url = url;
    this.headers = { "X-CSRFToken": csrfToken };
    this.chunkBytes = chunkBytes;
  }

  // Make an upload for `file` on the server and return its id; `options` are what choice.js tells of it.
  async create(file, options = {}) {
    const metadata = { ...metadataOf(file), ...options };
    const response = await request(this.url, {
      method: "POST",
      headers: {
        "Tus-Resumable": TUS_VERSION,
        "Upload-Length": String(file.size),
        "Upload-Metadata": Object.entries(metadata)
          .map(([key, value]) => `${key} ${base64(value)}`.trim())
          .join(","),
      },
    });
    if (response.status !== 201) {
      throw new Error(await problemOf(response));
    }
    return response.headers.get("Location").split("/").at(-2);
  }

  // Whether the unfinished upload `id` was begun with this very file: same name, size and time of last change.
  async isOf(id, file) {
    const response = await request(`${this.url}${id}/`, { method: "HEAD", headers: { "Tus-Resumable": TUS_VERSION } });
    if (!response.ok) {
      return false;
    }
    const sent = response.headers.get("Upload-Metadata") ?? "";
    const pairs = Object.fromEntries(sent.split(",").map((pair) => pair.trim().split(" ")));
    return Object.entries(metadataOf(file)).every(([key, value]) => pairs[key] === base64(value));
  }

  // Send what is missing of upload `id`. onState({ state, sent, problem }) tells how it goes; null when it is all there.
  send(id, file, onState) {
    return new Sending(this, `${this.url}${id}/`, file, onState);
  }
}

class Sending {
  constructor(uploader, uploadUrl, file, onState) {
    this.onState = onState;
    this.state = "uploading";
    // Unknown until the server has told where to go on.
    this.sent = null;
    this.problem = "";
    this.upload = new window.tus.Upload(file, {
      // Without an endpoint the client never starts over by itself when asking for the offset fails.
      endpoint: null,
      uploadUrl,
      headers: uploader.headers,
      chunkSize: uploader.chunkBytes,
      retryDelays: RETRY_DELAYS,
      parallelUploads: 1,
      storeFingerprintForResuming: false,
      onProgress: (sent) => {
        this.sent = sent;
        this.tell("uploading");
      },
      onChunkComplete: () => this.tell("uploading"),
      onShouldRetry: (error) => {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
        const retried = RETRIED_STATUSES.includes(status) || status >= 500;
        if (retried && this.state !== "paused") {
          this.tell("reconnecting");
        }
        return retried;
      },
      onSuccess: () => {
        this.end();
        this.onState(null);
      },
      onError: (error) => this.fail(error),
    });
    this.tryAgain = () => {
      if (this.state === "reconnecting") {
        this.resume();
      }
    };
    window.addEventListener("online", this.tryAgain);
    this.tell("uploading");
    this.upload.start();
  }

  // An ended upload reports nothing more: late events of the client must not bring it back.
  tell(state) {
    if (this.state === "ended") {
      return;
    }
    this.state = state;
    this.onState({ state, sent: this.sent, problem: this.problem });
  }

  pause() {
    this.tell("paused");
    return this.upload.abort();
  }

  async resume() {
    this.problem = "";
    this.tell("uploading");
    await this.upload.abort();
    // Meanwhile the upload may have been paused again, or its job cancelled.
    if (this.state === "uploading") {
      this.upload.start();
    }
  }

  // Stop for good, without a word: the job has been cancelled or has failed.
  async stop() {
    this.end();
    await this.upload.abort();
    this.onState(null);
  }

  // No later attempt may wake an upload that is over.
  end() {
    this.state = "ended";
    window.removeEventListener("online", this.tryAgain);
  }

  fail(error) {
    const response = error.originalResponse;
    if (!response || response.getStatus() >= 500) {
      this.problem = gettext("The connection was lost. The upload goes on where it was as soon as the network is back.");
      this.tell("reconnecting");
      window.setTimeout(this.tryAgain, LAST_RETRY_DELAY);
      return;
    }
    this.problem = detailOf(response.getBody()) ?? gettext("The server refused the upload.");
    this.tell("paused");
  }
}

function metadataOf(file) {
  return { filename: file.name, lastmodified: String(file.lastModified) };
}

function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}
