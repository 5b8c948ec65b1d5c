import type { ServerWritableStream, UntypedServiceImplementation, sendUnaryData } from "@grpc/grpc-js";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import type { Logger } from "pino";
import * as v from "valibot";
import { parseFilters } from "./filter.ts";
import { grpcStatus } from "./grpc-status.ts";
import type { SnapshotMount } from "./snapshot-mounts.ts";
import type { SnapshotRecord } from "./snapshot-record.ts";
import type { Snapshotter } from "./snapshotter.ts";
import { SnapshotterError } from "./snapshotter-error.ts";
import {
  commitRequest,
  keyRequest,
  listRequest,
  prepareRequest,
  timestampMessage,
  updateRequest,
  type InfoMessage,
  type MountMessage,
} from "./snapshots-messages.ts";

/** Snapshots in one message of a list. */
const batchSize = 100;

const kinds = { view: "VIEW", active: "ACTIVE", committed: "COMMITTED" } as const;

/** The service's methods, on a snapshotter: requests are validated, answers and failures put in the protocol's words. */
export function snapshotsHandlers(snapshotter: Snapshotter, log: Logger): UntypedServiceImplementation {
  const unary =
    <T>(name: string, schema: v.GenericSchema<unknown, T>, work: (request: T) => unknown) =>
    (call: { request: unknown }, answer: sendUnaryData<unknown>): void => {
      const begun = performance.now();
      new Promise((resolve) => resolve(work(validated(name, schema, call.request)))).then(
        (result) => {
          log.debug({ call: name, ms: since(begun) }, "answered");
          answer(null, result);
        },
        (error: unknown) => {
          const refused = error instanceof SnapshotterError;
          log[refused ? "debug" : "error"]({ call: name, ms: since(begun), err: error }, "failed");
          answer(grpcStatus(error));
        },
      );
    };
  return {
    Prepare: unary("Prepare", prepareRequest, async ({ key, parent, labels }) => ({
      mounts: mountMessages(await snapshotter.create("active", key, parent, labels)),
    })),
    View: unary("View", prepareRequest, async ({ key, parent, labels }) => ({
      mounts: mountMessages(await snapshotter.create("view", key, parent, labels)),
    })),
    Mounts: unary("Mounts", keyRequest, async ({ key }) => ({ mounts: mountMessages(await snapshotter.mounts(key)) })),
    Commit: unary("Commit", commitRequest, async ({ name, key, labels }) => {
      await snapshotter.commit(name, key, labels);
      return {};
    }),
    Remove: unary("Remove", keyRequest, async ({ key }) => {
      await snapshotter.remove(key);
      return {};
    }),
    Stat: unary("Stat", keyRequest, ({ key }) => ({ info: infoMessage(snapshotter.stat(key)) })),
    Update: unary("Update", updateRequest, async ({ info: { name, labels }, updateMask }) => ({
      info: infoMessage(await snapshotter.update(name, labels, updateMask?.paths ?? [])),
    })),
    // Inodes are the file system's: nobody could count a container's own without reading all of it.
    Usage: unary("Usage", keyRequest, async ({ key }) => ({ size: await snapshotter.usage(key), inodes: 0 })),
    Cleanup: unary("Cleanup", v.object({}), async () => {
      await snapshotter.cleanUp();
      return {};
    }),
    List: (call: ServerWritableStream<unknown, { info: InfoMessage[] }>): void => {
      // The status goes with the stream's end: one that is destroyed ends without, and its client waits on.
      list(snapshotter, call).catch((error: unknown) => void call.emit("error", grpcStatus(error)));
    },
  };
}

/** Sends in batches, as fast as the client reads them. */
async function list(
  snapshotter: Snapshotter,
  call: ServerWritableStream<unknown, { info: InfoMessage[] }>,
): Promise<void> {
  const matches = parseFilters(validated("List", listRequest, call.request).filters);
  let batch: InfoMessage[] = [];
  const send = async (): Promise<void> => {
    const message = { info: batch };
    batch = [];
    if (!call.write(message)) await Promise.race([once(call, "drain"), once(call, "cancelled")]);
  };
  let seen = 0;
  for (const record of snapshotter.list()) {
    // Others wait for no longer than it takes to look at some.
    if (++seen % batchSize === 0) await setImmediate();
    if (call.cancelled) return;
    if (matches(record)) batch.push(infoMessage(record));
    if (batch.length === batchSize) await send();
  }
  if (batch.length > 0) await send();
  call.end();
}

function validated<T>(call: string, schema: v.GenericSchema<unknown, T>, request: unknown): T {
  const result = v.safeParse(schema, request);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue);
  throw new SnapshotterError(
    "invalid-argument",
    `Cannot carry out ${call}: ${field === null ? "" : `${field}: `}${issue.message}`,
  );
}

function mountMessages(mounts: SnapshotMount[]): MountMessage[] {
  return mounts.map(({ type, source, options }) => ({ type, source, target: "", options }));
}

function infoMessage({ key, parent, kind, createdNs, updatedNs, labels }: SnapshotRecord): InfoMessage {
  return {
    name: key,
    parent,
    kind: kinds[kind],
    createdAt: timestampMessage(createdNs),
    updatedAt: timestampMessage(updatedNs),
    labels,
  };
}

function since(begun: number): number {
  return Math.round(performance.now() - begun);
}
