import type { TreeFolder } from "../file-system/file-tree.ts";
import { packDiff } from "../layer/pack.ts";
import { diffSize } from "../layer/diff-size.ts";
import type { Digest } from "./digest.ts";
import { recordTar } from "./record-tar.ts";

/** What packing a layer tells. */
export interface PackedLayer {
  diffId: Digest;
  tarBytes: number;
  contentBytes: number;
}

/**
 * Finds out a layer's tar without keeping it: its digest, and the record it can be rebuilt from.
 *
 * @param parentRoot top of the root file system of the layers below; undefined for none
 */
export async function recordPacked(
  root: TreeFolder,
  parentRoot: TreeFolder | undefined,
  tarRecord: string,
  signal: AbortSignal | undefined,
): Promise<PackedLayer> {
  const recorded = await recordTar(packDiff(root, parentRoot), tarRecord, signal);
  return { ...recorded, contentBytes: diffSize(root, parentRoot) };
}
