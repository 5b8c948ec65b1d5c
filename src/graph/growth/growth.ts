import { deviceSizeBytes } from "../../linux/block-device.ts";
import { loopsOf, refreshLoopSize } from "../../linux/loop.ts";
import { errorCode } from "../../linux/system-error.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { planSteps, sizesOf, type PoolGrowth, type PoolSizes, type Step, type Steps } from "./growth-plan.ts";
import { hostSpace } from "../pool/host-space.ts";
import { ensureLoopbackFile } from "../pool/loopback-file.ts";
import { poolDevices } from "../pool/pool-devices.ts";
import type { PoolStatus } from "../pool/pool-status.ts";
import { humanSize } from "../options/size.ts";
import { storeGrownSizes } from "../options/stored-options.ts";
import { poolStatus } from "../pool/thin-pool.ts";

/** What growing did; both are the same where there was nothing to do. */
export interface GrownPool {
  before: PoolSizes;
  after: PoolSizes;
}

/**
 * Makes a running pool larger, while it is used; writes that a full pool holds go on. A crash at any point leaves a pool that
 * works at its old size, and the next growth, or the next start, completes it. Only for who holds the lock of the pool's table.
 *
 * @throws GraphError ENOTSUP (LVM's, or someone else's pool), EINVAL (smaller than it is, or more than the device has), EROFS
 *   (read-only, or in need of a check)
 */
export async function growPool(context: GraphContext, growth: PoolGrowth): Promise<GrownPool> {
  requireOwnDevices(context);
  const status = await poolStatus(context);
  requireGrowable(context, status, growth);
  const table = (await context.mapper.table(context.pool)).trim();
  const steps = planSteps(context, growth, table, status);
  const nothingSaid = growth.dataBytes === undefined && growth.metadataBytes === undefined;
  if (nothingSaid && !steps.some(isLarger) && steps.every(({ device }) => device.file !== undefined)) {
    throw new GraphError(
      "EINVAL",
      `Cannot grow pool ${context.pool}: its loopback files have the size that they are given. Say how large data or metadata is to be`,
    );
  }
  return carryOut(context, steps, table);
}

/**
 * Takes what files and devices have beyond the size of the running pool: what a growth that was cut short left, or what
 * options asked for. Only for who holds the lock of the pool's table.
 */
export async function completeGrowth(context: GraphContext): Promise<void> {
  const status = await poolStatus(context);
  if (status.needsCheck || status.mode === "ro") return;
  const table = (await context.mapper.table(context.pool)).trim();
  let steps;
  try {
    steps = planSteps(context, {}, table, status);
  } catch (error) {
    if (errorCode(error) !== "EINVAL") throw error;
    context.log("warn", String(error));
    return;
  }
  await carryOut(context, steps, table);
}

async function carryOut(context: GraphContext, steps: Steps, table: string): Promise<GrownPool> {
  const [data, metadata] = steps;
  const before = { dataBytes: data.nowBytes, metadataBytes: metadata.nowBytes };
  if (!steps.some(isLarger)) return { before, after: before };
  for (const step of steps) growDevice(context, step);
  storeGrownSizes(context.root, {
    ...(data.device.file === undefined ? {} : { loopdatasize: data.deviceBytes }),
    ...(metadata.device.file === undefined ? {} : { loopmetadatasize: metadata.deviceBytes }),
  });
  // Metadata first, in a step of its own: dm-thin would grow the data first, and count new blocks in the old space.
  if (isLarger(metadata)) await context.mapper.reload(context.pool, table);
  if (isLarger(data)) await context.mapper.reload(context.pool, withLength(table, data.deviceBytes / 512));
  const after = sizesOf(await poolStatus(context), table);
  for (const step of steps) requireGrown(context, step, after);
  const { dataBytes, metadataBytes } = after;
  context.log("info", `the pool has grown to ${humanSize(dataBytes)} of data, ${humanSize(metadataBytes)} of metadata`);
  return { before, after };
}

function isLarger({ nowBytes, deviceBytes }: Step): boolean {
  return deviceBytes > nowBytes;
}

/** @throws GraphError ENOTSUP for a pool that is LVM's, or someone else's, to grow */
export function requireOwnDevices(context: GraphContext): void {
  const { pool, options } = context;
  const lvm =
    "lvextend --size +20G VG/POOL for data, lvextend --poolmetadatasize +1G VG/POOL for metadata; vgextend first where the " +
    "volume group is full";
  if (options.directLvm !== undefined) {
    throw new GraphError(
      "ENOTSUP",
      `Cannot grow pool ${pool}: it is LVM's (dm.directlvm_device), which grows it by itself at the threshold of its profile. By hand: ${lvm}`,
    );
  }
  if (!context.exclusivePool) {
    throw new GraphError(
      "ENOTSUP",
      `Cannot grow pool ${pool}: it was given with dm.thinpooldev, and whoever made it grows it. With LVM: ${lvm}`,
    );
  }
}

/** A pool that ran out of metadata space is read-only, but comes back by growing, unless it asks for a check. */
function requireGrowable(context: GraphContext, status: PoolStatus, growth: PoolGrowth): void {
  if (!status.needsCheck && (status.mode !== "ro" || growth.metadataBytes !== undefined)) return;
  const metadata = poolDevices(context).metadata.file ?? poolDevices(context).metadata.path;
  const failed =
    `Stop it (mica shutdown) and run thin_check --clear-needs-check-flag ${metadata}; where that finds damage, thin_repair into a copy. ` +
    "Then grow it: its metadata first, if that was full";
  throw new GraphError(
    "EROFS",
    `Cannot grow pool ${context.pool}: it is read-only${status.needsCheck ? ` and needs a check. ${failed}` : ". If its metadata is full, grow that"}`,
  );
}

/** Makes the loopback file larger, and tells the loop devices on it. */
function growDevice(context: GraphContext, { kind, device, deviceBytes }: Step): void {
  const { file } = device;
  if (file === undefined) return;
  if (deviceSizeBytes(file) < deviceBytes) {
    warnOfPromises(context, file, deviceBytes);
    try {
      ensureLoopbackFile(file, { sizeBytes: deviceBytes, grow: true }, context.log);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new GraphError(
        "ENOSPC",
        `Cannot grow the ${kind} of pool ${context.pool} to ${humanSize(deviceBytes)}: '${file}' cannot be that large (${why}). Ask for less`,
        { cause: error },
      );
    }
  }
  for (const loop of loopsOf(file)) refreshLoopSize(loop);
}

function warnOfPromises(context: GraphContext, file: string, sizeBytes: number): void {
  const { allocated, free } = hostSpace(file);
  if (sizeBytes - allocated <= free) return;
  context.log(
    "warn",
    `'${file}' may come to ${humanSize(sizeBytes)}, but its file system has only ${humanSize(free)} free: writes wait, then fail, when that is used up`,
  );
}

function withLength(table: string, sectors: number): string {
  const words = table.split(/\s+/);
  return words.with(1, String(Math.max(sectors, Number(words[1])))).join(" ");
}

function requireGrown({ pool }: GraphContext, { kind, deviceBytes }: Step, after: PoolSizes): void {
  const hasBytes = kind === "data" ? after.dataBytes : after.metadataBytes;
  if (hasBytes >= deviceBytes) return;
  throw new GraphError(
    "EIO",
    `Cannot grow the ${kind} of pool ${pool} to ${humanSize(deviceBytes)}: it has ${humanSize(hasBytes)} after all. The kernel's log, or its engine's, says why`,
  );
}
