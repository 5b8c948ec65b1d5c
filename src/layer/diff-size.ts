import type { TreeFolder } from "../file-system/file-tree.ts";
import { walkChanges } from "./walk-changes.ts";

/**
 * Bytes of the files that were added or changed, as Docker's DiffSize counts them: a symbolic link has the length of its target, a file with several
 * names counts once.
 */
export function diffSize(root: TreeFolder, parentRoot?: TreeFolder): number {
  const seen = new Set<bigint>();
  let bytes = 0;
  for (const { stats } of walkChanges(root, parentRoot)) {
    if (stats === undefined || stats.isDirectory()) continue;
    if (stats.nlink > 1n) {
      if (seen.has(stats.ino)) continue;
      seen.add(stats.ino);
    }
    bytes += Number(stats.size);
  }
  return bytes;
}
