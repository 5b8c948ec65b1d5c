import type { TreeFolder } from "../file-system/file-tree.ts";
import { walkChanges } from "./walk-changes.ts";

/** Bytes of the regular files that were added or changed; a file with several links counts once. As Docker's DiffSize. */
export function diffSize(root: TreeFolder, parentRoot?: TreeFolder): number {
  const seen = new Set<bigint>();
  let bytes = 0;
  for (const { stats } of walkChanges(root, parentRoot)) {
    if (stats?.isFile() !== true) continue;
    if (stats.nlink > 1n) {
      if (seen.has(stats.ino)) continue;
      seen.add(stats.ino);
    }
    bytes += Number(stats.size);
  }
  return bytes;
}
