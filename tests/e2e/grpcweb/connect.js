// Calls by @connectrpc/connect-web.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { SalesService } from "../../../proto/browser/sales/v1/sales_pb.js";
import { BadRequestSchema, ErrorInfoSchema } from "google/rpc/error_details_pb.js";

export class Connect {
  constructor(address) {
    this.client = createClient(SalesService, createGrpcWebTransport({ baseUrl: address }));
  }

  /** The answer to a call of one message, and its headers. */
  async one(method, request, { metadata = {}, timeoutMs } = {}) {
    const headers = {};
    const onHeader = (received) => received.forEach((value, name) => (headers[name] = value));
    try {
      const message = await this.client[method.localName](request, { headers: metadata, timeoutMs, onHeader });
      return { message, headers };
    } catch (error) {
      throw told(error);
    }
  }

  /** Gives `onMessage` what comes until the stream has ended, or `cancel`, which it also gets, has been called. */
  async many(method, request, onMessage, { metadata = {}, timeoutMs } = {}) {
    const controller = new AbortController();
    const options = { headers: metadata, timeoutMs, signal: controller.signal };
    try {
      for await (const message of this.client[method.localName](request, options)) {
        await onMessage(message, () => controller.abort());
      }
    } catch (error) {
      const failed = told(error);
      if (!(controller.signal.aborted && failed.code === Code.Canceled)) {
        throw failed;
      }
    }
  }
}

function told(thrown) {
  const error = ConnectError.from(thrown);
  const [info] = error.findDetails(ErrorInfoSchema);
  const [bad] = error.findDetails(BadRequestSchema);
  return {
    code: error.code,
    text: error.rawMessage,
    reason: info?.reason ?? null,
    fields: bad?.fieldViolations.map((violation) => violation.field) ?? [],
  };
}
