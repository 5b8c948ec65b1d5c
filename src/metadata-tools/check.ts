import { type BlockFile } from "../persistent-data/block-file.ts";
import { openReadAheadFile } from "../persistent-data/read-ahead-file.ts";
import { examine } from "./examination.ts";

/**
 * Checks a pool's committed metadata from end to end: checksums, the form of every tree, and the reference counts of
 * metadata and data blocks, recounted. Nothing is changed.
 * @param source the metadata device's path, or where its blocks are
 * @returns the problems found, in plain words; none if it is sound
 * @example
 * for (const problem of check("/var/lib/mica/devicemapper/devicemapper/metadata")) console.error(problem);
 */
export function check(source: string | BlockFile): string[] {
  if (typeof source !== "string") return checkBlocks(source);
  const file = openReadAheadFile(source);
  try {
    return checkBlocks(file);
  } finally {
    file.close();
  }
}

function checkBlocks(file: BlockFile): string[] {
  const { problems, superblock } = examine(file);
  if (superblock?.needsCheck !== true) return problems.list;
  return ["superblock: the needs_check flag is set", ...problems.list];
}
