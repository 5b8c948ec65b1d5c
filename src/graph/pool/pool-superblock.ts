import { closeSync, openSync, readSync } from "node:fs";
import { Block } from "../../persistent-data/block.ts";
import { readSuperblock, superblockFault, superblockLocation } from "../../thin/superblock.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";

/** What is at the start of a metadata device that can be started: a pool, or nothing yet. */
export type StoredPool = { blockSizeBytes: number; transactionId: number } | "nothing";

/**
 * Looks at a metadata device before a pool is started on it, so that what is refused is refused before anything is changed.
 *
 * @param path file or block device
 * @throws GraphError EINVAL where something else is on it, EDAMAGED where a pool's superblock is damaged, EROFS where it is marked as
 *   in need of a check
 */
export function inspectMetadata(context: Pick<GraphContext, "root">, path: string): StoredPool {
  const block = new Block(superblockLocation);
  const fd = openSync(path, "r");
  try {
    readSync(fd, block.bytes, 0, block.bytes.length, 0);
  } finally {
    closeSync(fd);
  }
  if (block.words.every((word) => word === 0)) return "nothing";
  const { root } = context;
  const fault = superblockFault(block);
  if (fault?.startsWith("its magic number") === true) {
    throw new GraphError(
      "EINVAL",
      `Cannot start the pool of '${root}': '${path}' holds something else than a thin pool's metadata. ` +
        `If nobody needs that, zero its start: dd if=/dev/zero of=${path} bs=4096 count=1 conv=notrunc`,
    );
  }
  if (fault !== undefined) {
    throw new GraphError(
      "EDAMAGED",
      `Cannot start the pool of '${root}': the superblock of its metadata in '${path}' cannot be used: ${fault}. ${repair(path)}`,
    );
  }
  const { needsCheck, dataBlockSizeSectors, transactionId } = readSuperblock(block);
  if (needsCheck) {
    throw new GraphError(
      "EROFS",
      `Cannot start the pool of '${root}': its metadata in '${path}' is marked as in need of a check. ` +
        `Run thin_check --clear-needs-check-flag ${path}. Where that finds damage: ${repair(path)}`,
    );
  }
  return { blockSizeBytes: dataBlockSizeSectors * 512, transactionId };
}

function repair(path: string): string {
  return `thin_repair -i ${path} -o COPY writes what can be saved to another device or file; put that in its place`;
}
