// node tus_upload.mjs ENDPOINT TOKEN FILE CHUNK_BYTES: an upload by tus-js-client on Node, a client that is not ours.

import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { Upload } from "tus-js-client";

const [endpoint, token, path, chunkSize] = process.argv.slice(2);
let retries = 0;

const upload = new Upload(createReadStream(path), {
  endpoint,
  headers: { Authorization: `Bearer ${token}` },
  chunkSize: Number(chunkSize),
  uploadSize: statSync(path).size,
  metadata: { filename: basename(path) },
  retryDelays: [0, 50, 100, 200],
  onShouldRetry: () => {
    retries += 1;
    return true;
  },
  onError: (error) => {
    console.error(error);
    process.exit(1);
  },
  onSuccess: () => console.log(JSON.stringify({ retries })),
});
upload.start();
