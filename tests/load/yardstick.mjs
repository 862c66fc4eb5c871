// @tus/server, as its guide has it: it receives files, and that is all. Usage: node yardstick.mjs <port> <folder>
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [port, directory] = process.argv.slice(2);
const server = new Server({ path: "/uploads", datastore: new FileStore({ directory }) });
server.listen({ host: "127.0.0.1", port: Number(port) });
