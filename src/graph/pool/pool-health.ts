import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { poolDevices } from "./pool-devices.ts";
import type { PoolStatus } from "./pool-status.ts";

/**
 * A pool that is to be changed has to be writable.
 *
 * @throws GraphError EROFS, with what brings it back
 */
export function requireWritable(context: GraphContext, status: PoolStatus): void {
  if (status.mode !== "ro" && !status.needsCheck) return;
  const state = status.needsCheck ? "is read-only and needs a check" : "is read-only";
  throw new GraphError(
    "EROFS",
    `Cannot change anything in pool ${context.pool}: it ${state}. ${remedy(context, status)}`,
  );
}

/** What to do with a pool that is read-only or failed. */
function remedy(context: GraphContext, status: PoolStatus): string {
  const { options, pool } = context;
  if (options.directLvm !== undefined) {
    return (
      "Shut down (mica shutdown), deactivate it (lvchange -an docker/thinpool) and run lvconvert --repair docker/thinpool. If its " +
      "metadata was full, lvextend --poolmetadatasize +1G docker/thinpool first"
    );
  }
  if (!context.exclusivePool) {
    return (
      `Shut down (mica shutdown), stop ${pool}, and check and repair its metadata: lvconvert --repair VG/POOL for LVM's, else thin_check ` +
      "and thin_repair"
    );
  }
  const metadata = poolDevices(context).metadata;
  const path = metadata.file ?? metadata.path;
  const full =
    status.usedMetadataBlocks >= status.totalMetadataBlocks - 1 ? "Its metadata is full: make that larger. " : "";
  return (
    `${full}Shut down (mica shutdown) and run thin_check --clear-needs-check-flag ${path}; where that finds damage, thin_repair -i ${path} ` +
    "-o COPY writes what can be saved"
  );
}
