import type { DeviceInfo } from "../../device-mapper/device-mapper.ts";
import { errorCode } from "../../linux/system-error.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { removePatiently } from "./remove-patiently.ts";

const removalAttempts = 200;
const removalPauseMs = 100;

/**
 * Makes a device's block device, unless it has one. Only for who holds the device's lock.
 *
 * @returns its path
 */
export async function activateDevice(context: GraphContext, id: string, metadata: DeviceMetadata): Promise<string> {
  const name = context.names.device(id);
  const path = await context.locks.change(async () => {
    const running = await runningDevice(context, name, metadata);
    return running === undefined ? context.mapper.create(name, thinTable(context, metadata)) : running.blockDevice;
  });
  if (path === undefined) throw new GraphError("ENXIO", `Cannot activate device ${id}: it got no block device`);
  return path;
}

/** The path of a device that is active as it should be, or undefined. Only for who holds the device's lock. */
export async function activeDevice(
  context: GraphContext,
  id: string,
  metadata: DeviceMetadata,
): Promise<string | undefined> {
  const info = await context.mapper.info(context.names.device(id));
  if (info === undefined || info.suspended || info.deferredRemove) return undefined;
  return sectorsOf(info) < metadata.sizeBytes / 512 ? undefined : info.blockDevice;
}

function sectorsOf({ tableLine }: DeviceInfo): number {
  return Number(tableLine.trim().split(/\s+/)[1]);
}

async function runningDevice(
  context: GraphContext,
  name: string,
  metadata: DeviceMetadata,
): Promise<DeviceInfo | undefined> {
  const { mapper } = context;
  const info = await mapper.info(name);
  if (info === undefined) return undefined;
  if (info.deferredRemove) {
    try {
      await mapper.cancelDeferredRemoval(name);
    } catch (error) {
      if (errorCode(error) === "ENXIO") return undefined;
      throw error;
    }
  }
  if (info.suspended) await mapper.resume(name);
  if (sectorsOf(info) < metadata.sizeBytes / 512) {
    await mapper.reload(name, thinTable(context, metadata));
  }
  return mapper.info(name);
}

function thinTable(context: GraphContext, metadata: DeviceMetadata): string {
  const pool = context.mapper.kind === "kernel" ? `/dev/mapper/${context.pool}` : context.pool;
  return `0 ${metadata.sizeBytes / 512} thin ${pool} ${metadata.deviceId}`;
}

/** What to do with a device that is in use. */
export type WhenBusy = "defer" | "retry" | "fail";

/**
 * Takes a device's block device away. Only for who holds the device's lock.
 *
 * @param whenBusy "defer": it goes when its last user closes it; "retry": 200 times, 100 ms apart
 * @throws GraphError EBUSY
 */
export async function deactivateDevice(context: GraphContext, id: string, whenBusy: WhenBusy): Promise<void> {
  const name = context.names.device(id);
  await removePatiently(
    () => context.locks.change(() => context.mapper.remove(name, { deferred: whenBusy === "defer" })),
    { attempts: whenBusy === "retry" ? removalAttempts : 1, pauseMs: removalPauseMs },
    `Cannot deactivate device ${id}: it is in use. Unmount it, or end what has it open`,
  );
}

/** Writes out what an active device, and a file system mounted from it, have in memory. Only for who holds the device's lock. */
export async function flushDevice(context: GraphContext, id: string): Promise<void> {
  const flush = async (): Promise<void> => {
    try {
      await context.mapper.flush(context.names.device(id));
    } catch (error) {
      if (errorCode(error) !== "ENXIO") throw error; // it is not active: it was written out when it was
    }
  };
  // The kernel's is suspended for it, as a snapshot's origin is, and only one may do that.
  if (context.mapper.kind === "kernel") await context.locks.change(flush);
  else await flush();
}
