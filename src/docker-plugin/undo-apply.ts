import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceSet } from "../graph/device-set.ts";
import { errorCode } from "../linux/system-error.ts";
import type { CallUnderWay } from "./calls-under-way.ts";

const removalAttempts = 100;
const removalPauseMs = 100;

/**
 * Makes a device what it was before a layer was unpacked onto it, in part or whole: it is made anew. Nothing to do where the copy that it
 * is to be made from is not there: then either unpacking had not begun, or its outcome was settled.
 */
export async function undoApply(
  devices: DeviceSet,
  id: string,
  { source, sourceIsCopy, sizeBytes }: CallUnderWay & { call: "apply" },
): Promise<void> {
  if (sourceIsCopy && source !== undefined && !(await devices.exists(source))) return;
  await removeNow(devices, id);
  await devices.create(id, source, { sizeBytes });
  if (sourceIsCopy && source !== undefined) await devices.remove(source);
}

/**
 * Removes a device, mounted perhaps by a process that is dead. It is free in a moment, as what had it open has ended; its name is wanted again, so
 * a deferred deletion will not do.
 */
async function removeNow(devices: DeviceSet, id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const device = await devices.device(id);
    if (device === undefined) return;
    try {
      if (device.mountPoint !== undefined) await devices.put(id);
      await devices.remove(id);
    } catch (error) {
      if (errorCode(error) !== "EBUSY" || attempt >= removalAttempts) throw error;
    }
    if (attempt >= removalAttempts) throw new Error(`Cannot make device ${id} anew: it is still in use`);
    if (attempt > 1) await sleep(removalPauseMs);
  }
}
