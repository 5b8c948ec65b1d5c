import { createHash } from "node:crypto";
import type { TreeFolder } from "../file-system/file-tree.ts";
import { packDiff } from "../layer/pack.ts";
import { TarRecorder } from "../layer/tar-recorder.ts";
import { diffSize } from "../layer/diff-size.ts";
import type { Digest } from "./digest.ts";

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
  const recorder = new TarRecorder(tarRecord);
  const hash = createHash("sha256");
  try {
    for await (const chunk of packDiff(root, parentRoot) as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      hash.update(chunk);
      await recorder.write(chunk);
    }
    await recorder.end();
  } catch (error) {
    recorder.destroy();
    throw error;
  }
  return {
    diffId: `sha256:${hash.digest("hex")}`,
    tarBytes: recorder.tarBytes,
    contentBytes: diffSize(root, parentRoot),
  };
}
