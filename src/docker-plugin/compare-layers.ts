import type { DeviceSet } from "../graph/device-set.ts";
import type { DiffRequest } from "../layer/diff-request.ts";
import { DiffProcess } from "../layer/diff-process.ts";
import type { ChangeKind } from "../layer/change.ts";
import type { PluginContext } from "./plugin-context.ts";
import type { CompareRequest } from "./protocol.ts";

/** Docker's numbers for what happened to a path (pkg/archive, ChangeType). */
const kindNumbers: Record<ChangeKind, number> = { C: 0, A: 1, D: 2 };

/** A difference as the protocol writes it. */
export interface WireChange {
  Path: string;
  Kind: number;
}

/** What a layer has other than the one below it. */
export function changes({ devices }: PluginContext, request: CompareRequest): Promise<WireChange[]> {
  return comparing(devices, request, async (diff, roots) =>
    (await diff.changes(roots)).map(({ kind, path }) => ({ Path: path, Kind: kindNumbers[kind] })),
  );
}

/** @returns bytes of the files that were added or changed */
export function diffSize({ devices }: PluginContext, request: CompareRequest): Promise<number> {
  return comparing(devices, request, (diff, roots) => diff.size(roots));
}

/** Has a layer's tar made, and hands it to `send`; what is mounted for it stays so until that is done. */
export function diff(
  { devices, session }: PluginContext,
  request: CompareRequest,
  send: (tar: LayerTar) => Promise<void>,
): Promise<void> {
  return comparing(devices, request, async (diff, roots) => {
    const tar = diff.pack({ ...roots, owners: session.owners });
    await send({ pieces: tar, finished: () => diff.finished(), stop: () => diff.stop() });
  });
}

/** A layer's tar that is being made. */
export interface LayerTar {
  pieces: AsyncIterable<Buffer>;
  /** To be asked when the pieces have ended. @throws LayerError where they are not all */
  finished(): Promise<void>;
  /** It is no longer wanted. */
  stop(): Promise<void>;
}

/** Mounts a layer and the one below it for reading while they are compared. */
async function comparing<T>(
  devices: DeviceSet,
  { ID: id, Parent: parent }: CompareRequest,
  work: (diff: DiffProcess, roots: Pick<DiffRequest, "root" | "parentRoot">) => Promise<T>,
): Promise<T> {
  const diff = new DiffProcess();
  const ids = parent === undefined ? [id] : [id, parent];
  const mounted = await Promise.allSettled(ids.map((id) => devices.get(id, { readOnly: true, forNow: true })));
  try {
    const [root, parentRoot] = mounted.map((mount) => {
      if (mount.status === "rejected") throw mount.reason;
      return mount.value;
    });
    return await work(diff, { root, parentRoot });
  } finally {
    await diff.stop();
    for (const [index, { status }] of mounted.entries()) if (status === "fulfilled") await devices.put(ids[index]);
  }
}
