import { syncFileSystem } from "../../linux/sync-file-system.ts";
import { errorCode } from "../../linux/system-error.ts";
import type { GraphContext } from "../graph-context.ts";
import { isDeviceMounted, mountPointOf } from "../devices/mount-points.ts";

/**
 * Runs a function while a device that may be in use is suspended, so that a snapshot of it is consistent: what its file system
 * has in memory is written first, then the device holds still. Only for who holds the graph's lock.
 *
 * @param task is told how the device was found
 */
export async function withOriginAtRest<T>(
  context: GraphContext,
  id: string,
  task: (found: "active" | "inactive") => Promise<T>,
): Promise<T> {
  const name = context.names.device(id);
  if ((await context.mapper.info(name)) === undefined) return task("inactive");
  if (isDeviceMounted(context, id)) await syncFileSystem(mountPointOf(context, id));
  if (!(await suspended(context, name))) return task("inactive");
  try {
    return await task("active");
  } finally {
    await resume(context, name);
  }
}

/** One that was to go at its last close may have gone since it was seen. */
async function suspended(context: GraphContext, name: string): Promise<boolean> {
  try {
    await context.mapper.suspend(name);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENXIO") return false;
    throw error;
  }
}

/** It may have been removed meanwhile, by what undid a change that failed. */
async function resume(context: GraphContext, name: string): Promise<void> {
  try {
    await context.mapper.resume(name);
  } catch (error) {
    if (errorCode(error) !== "ENXIO") throw error;
  }
}
