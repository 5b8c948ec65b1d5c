import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceSet } from "../graph/device-set.ts";
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
  // Mounted still, if the process that unpacked is dead.
  if ((await devices.device(id))?.mountPoint !== undefined) await devices.put(id);
  await removeNow(devices, id);
  await devices.create(id, source, { sizeBytes });
  if (sourceIsCopy && source !== undefined) await devices.remove(source);
}

/** Removes a device that is free in a moment, as what had it open has ended; its name is wanted again, so a deferred deletion will not do. */
async function removeNow(devices: DeviceSet, id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await devices.remove(id);
    if ((await devices.device(id)) === undefined) return;
    if (attempt >= removalAttempts) throw new Error(`Cannot make device ${id} anew: it is still in use`);
    await sleep(removalPauseMs);
  }
}
