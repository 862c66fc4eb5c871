// Calls by google's grpc-web, in binary or in text mode.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";
import { BadRequestSchema, ErrorInfoSchema } from "google/rpc/error_details_pb.js";
import { StatusSchema } from "google/rpc/status_pb.js";

export class Google {
  constructor(address, format) {
    this.address = address;
    this.client = new GrpcWebClientBase({ format, maxReceiveMessageSize: 0 });
  }

  one(method, request, { metadata = {}, timeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      let headers = {};
      let message = null;
      const given = [this.address + path(method), create(method.input, request), withDeadline(metadata, timeoutMs)];
      const call = this.client.rpcCall(...given, descriptor(method), (error, response) => {
        if (error) {
          reject(told(error));
        } else {
          message = response;
        }
      });
      call.on("metadata", (received) => (headers = received));
      call.on("end", () => message && resolve({ message, headers }));
    });
  }

  many(method, request, onMessage, { metadata = {}, timeoutMs } = {}) {
    return new Promise((resolve, reject) => {
      const given = [this.address + path(method), create(method.input, request), withDeadline(metadata, timeoutMs)];
      const call = this.client.serverStreaming(...given, descriptor(method));
      const cancel = () => {
        call.cancel();
        resolve();
      };
      call.on("data", (message) => Promise.resolve(onMessage(message, cancel)).catch(reject));
      call.on("error", (error) => reject(told(error)));
      call.on("end", resolve);
    });
  }
}

function path(method) {
  return `/${method.parent.typeName}/${method.name}`;
}

function descriptor(method) {
  const kind = method.methodKind === "unary" ? MethodType.UNARY : MethodType.SERVER_STREAMING;
  const write = (message) => toBinary(method.input, message);
  const read = (bytes) => fromBinary(method.output, bytes);
  return new MethodDescriptor(path(method), kind, Object, Object, write, read);
}

function withDeadline(metadata, timeoutMs) {
  return timeoutMs === undefined ? metadata : { ...metadata, deadline: String(Date.now() + timeoutMs) };
}

function told(error) {
  const encoded = error.metadata?.["grpc-status-details-bin"];
  const details = encoded ? fromBinary(StatusSchema, decoded(encoded)).details : [];
  const find = (schema) => details.map((each) => anyUnpack(each, schema)).find(Boolean);
  return {
    code: error.code,
    text: decodeURIComponent(error.message),
    reason: find(ErrorInfoSchema)?.reason ?? null,
    fields: find(BadRequestSchema)?.fieldViolations.map((violation) => violation.field) ?? [],
  };
}

function decoded(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
