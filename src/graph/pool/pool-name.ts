import { deviceNames } from "../devices/device-names.ts";
import { directLvmPool } from "./direct-lvm.ts";
import type { StorageOptions } from "../options/storage-options.ts";

/**
 * The name of the pool that a graph uses.
 *
 * @param root exists; without links
 * @returns `exclusive`: the graph makes it, and stops it
 */
export function poolNameOf(root: string, storage: StorageOptions): { pool: string; exclusive: boolean } {
  const given = storage.thinPoolDevice ?? (storage.directLvm === undefined ? undefined : directLvmPool);
  return { pool: given ?? deviceNames(root).ownPool, exclusive: given === undefined };
}
