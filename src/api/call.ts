import type { Readable, Writable } from "node:stream";
import * as v from "valibot";
import type { Store } from "../image/store.ts";
import type { DeviceSet } from "../graph/device-set.ts";
import { ApiError } from "./api-error.ts";

/** What the API's calls work on. */
export interface ApiGraph {
  readonly devices: DeviceSet;
  readonly store: Store;
}

/** One call of the API, as whoever does it sees it. */
export interface Call {
  /** From the path: `{ container: "web" }` of `/v1/containers/:container`. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: unknown;
  /** Parsed JSON; undefined where none came. */
  readonly body: unknown;
  /** The body as it comes, of a call that takes one. */
  readonly stream: Readable;
  /** Fires when the client is gone, or the daemon is about to be: what was begun is to be undone. */
  readonly signal: AbortSignal;
}

/** Takes what a long call tells about its way. */
export type ShowProgress = (event: { kind: string }) => void;

/** What every answer but a stream's is made from; it becomes JSON. */
export type Answer = object;

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** Does a call that is answered by JSON, or, where its client asks for that, by JSON lines: progress, and last the answer. */
export type Handle = (graph: ApiGraph, call: Call, progress: ShowProgress) => Promise<Answer>;

/** Does a call that is answered by a tar: writes it, and ends the stream. */
export type WriteTar = (graph: ApiGraph, call: Call, target: Writable) => Promise<void>;

/** A call's method and path, and how it is done. */
export type Route = { method: Method; path: string } & (
  { takes: "json" | "stream"; answers: "json"; handle: Handle } | { takes: "json"; answers: "tar"; write: WriteTar }
);

/** A call with JSON in and out. */
export function json(method: Method, path: string, handle: Handle): Route {
  return { method, path, takes: "json", answers: "json", handle };
}

/** A call that takes its body as it comes. */
export function upload(path: string, handle: Handle): Route {
  return { method: "POST", path, takes: "stream", answers: "json", handle };
}

/** A call that answers with a tar. */
export function tar(path: string, write: WriteTar): Route {
  return { method: "GET", path, takes: "json", answers: "tar", write };
}

/** Reads a call's body or query. @throws ApiError "invalid-request", naming the field */
export function read<T>(schema: v.GenericSchema<unknown, T>, what: "body" | "query", value: unknown): T {
  const result = v.safeParse(schema, value ?? {});
  if (result.success) return result.output;
  const issue = result.issues[0];
  const message = `Cannot read the request's ${what}: ${v.getDotPath(issue) ?? "all of it"}: ${issue.message}`;
  throw new ApiError(400, { code: "invalid-request", message });
}
