import type { Readable } from "node:stream";
import { withMountedPair } from "../image/mounted-pair.ts";
import { applyLayer } from "../layer/apply.ts";
import type { ChangeKind } from "../layer/change.ts";
import { changes as findChanges } from "../layer/changes.ts";
import { diffSize as measure } from "../layer/diff-size.ts";
import { packDiff } from "../layer/pack.ts";
import type { PluginContext } from "./plugin-context.ts";
import type { CompareRequest } from "./protocol.ts";

/** Docker's numbers for what happened to a path (pkg/archive, ChangeType). */
const kindNumbers: Record<ChangeKind, number> = { C: 0, A: 1, D: 2 };

/** A difference as the protocol writes it. */
export interface WireChange {
  Path: string;
  Kind: number;
}

export async function changes({ devices }: PluginContext, request: CompareRequest): Promise<WireChange[]> {
  const found = await withMountedPair(devices, request.ID, request.Parent, findChanges);
  return found.map(({ kind, path }) => ({ Path: path, Kind: kindNumbers[kind] }));
}

/** @returns bytes of the files that were added or changed */
export async function diffSize({ devices }: PluginContext, request: CompareRequest): Promise<number> {
  return withMountedPair(devices, request.ID, request.Parent, (root, parent) => Promise.resolve(measure(root, parent)));
}

/** Hands a layer's tar to `send`; what is mounted for it stays so until that is done. */
export async function diff(
  { devices }: PluginContext,
  request: CompareRequest,
  send: (tar: Readable) => Promise<void>,
): Promise<void> {
  await withMountedPair(devices, request.ID, request.Parent, (root, parent) => send(packDiff(root, parent)));
}

/** Unpacks a layer's tar onto a device; on disk when it resolves. @returns bytes of its files */
export async function applyDiff({ devices }: PluginContext, id: string, tar: Readable): Promise<number> {
  try {
    const applied = await applyLayer(tar, devices.get(id));
    return applied.contentBytes;
  } finally {
    await devices.put(id);
  }
}
