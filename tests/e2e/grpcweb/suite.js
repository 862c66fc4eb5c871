// What a page of another site does. Each function is called by a test, and gives plain values back.
import { SalesService } from "../../../proto/browser/sales/v1/sales_pb.js";
import { Connect } from "./connect.js";
import { Google } from "./google.js";

const { uploadCSV, downloadResult, streamResult, getJobStatus, watchJob } = SalesService.method;
const clients = {
  connect: (address) => new Connect(address),
  "google-binary": (address) => new Google(address, "binary"),
  "google-text": (address) => new Google(address, "text"),
};

const suite = {
  async upload(client, metadata, text) {
    const data = new TextEncoder().encode(text);
    const { message, headers } = await client.one(uploadCSV, { data, filename: "sales.csv" }, { metadata });
    return {
      job: message.resultId,
      announced: headers["salesagg-job-id"],
      rows: Number(message.rows),
      bad: Number(message.badRows),
      departments: Number(message.departments),
      total: message.total,
      address: message.downloadUrl,
    };
  },

  async download(client, metadata, resultId) {
    const { message } = await client.one(downloadResult, { resultId }, { metadata });
    return new TextDecoder().decode(message.data);
  },

  async stream(client, metadata, resultId) {
    const decoder = new TextDecoder();
    const pieces = [];
    await client.many(streamResult, { resultId }, ({ data }) => void pieces.push(data), { metadata });
    return pieces.map((piece) => decoder.decode(piece, { stream: true }));
  },

  /** Tells the test, by `window.told`, each state that comes, as it comes. */
  async watch(client, metadata, jobId) {
    const seen = [];
    await client.many(watchJob, { jobId }, async (status) => {
      seen.push(status.state);
      await window.told(status.state);
    }, { metadata });
    return seen;
  },

  async cancel(client, metadata, jobId) {
    let count = 0;
    await client.many(watchJob, { jobId }, async (status, cancel) => {
      count += 1;
      cancel();
    }, { metadata });
    return count;
  },

  async status(client, metadata, jobId) {
    return (await client.one(getJobStatus, { jobId }, { metadata })).message.state;
  },

  async deadline(client, metadata, jobId) {
    let count = 0;
    await client.many(watchJob, { jobId }, () => void (count += 1), { metadata, timeoutMs: 1000 });
    return count;
  },
};

window.call = async (name, kind, address, ...given) => {
  try {
    return { value: await suite[name](clients[kind](address), ...given) };
  } catch (error) {
    return { error: error instanceof Error ? { code: null, text: String(error.stack) } : error };
  }
};
