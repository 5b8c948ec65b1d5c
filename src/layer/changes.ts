import { setImmediate as nextTurn } from "node:timers/promises";
import type { TreeFolder } from "../file-system/file-tree.ts";
import { displayPath } from "../file-system/raw-path.ts";
import type { Change } from "./change.ts";
import { walkChanges } from "./walk-changes.ts";

const YIELD_EVERY = 500;

/**
 * What differs between a root file system and the one it was made from, ordered by path as `docker diff` prints it.
 *
 * @param root top of the root file system
 * @param parentRoot top of the one below; without it, everything was added
 */
export async function changes(root: TreeFolder, parentRoot?: TreeFolder): Promise<Change[]> {
  const found: Change[] = [];
  let count = 0;
  for (const { kind, path } of walkChanges(root, parentRoot)) {
    found.push({ kind, path: `/${displayPath(path)}` });
    if (++count % YIELD_EVERY === 0) await nextTurn();
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
