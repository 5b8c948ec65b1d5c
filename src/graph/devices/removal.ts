import { closeSync, constants, openSync, rmdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { blockDiscardAsync } from "../../linux/block-device.ts";
import { errorCode } from "../../linux/system-error.ts";
import { activateDevice, deactivateDevice } from "./activation.ts";
import type { DeferredDeletions } from "../files/deferred-deletions.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { forgetLeftInPlace } from "../files/left-in-place.ts";
import { forgetSeal } from "../files/sealed.ts";
import { isDeviceMounted, mountPointOf } from "./mount-points.ts";
import type { Transactions } from "../transactions/transactions.ts";

const attempts = 200;
const pauseMs = 100;

/** Whether a device's blocks are discarded before it goes, so that the host gets them back. */
export type SpaceOnRemoval = "discard" | "keep";

/** What it takes to remove devices. */
export interface RemovalParts {
  context: GraphContext;
  transactions: Transactions;
  deferred: DeferredDeletions;
}

/**
 * Removes a device and gives its space back. One in use is marked for deferred deletion, or, without that, tried again 200 times,
 * 100 ms apart. No error for an unknown one. Only for who holds the device's lock.
 *
 * @param space what dm.blkdiscard says, unless told
 * @throws GraphError EBUSY
 */
export async function removeDevice(parts: RemovalParts, id: string, space?: SpaceOnRemoval): Promise<void> {
  const { context } = parts;
  const metadata = context.store.device(id);
  if (metadata === undefined) return;
  for (let attempt = 1; ; attempt++) {
    try {
      await removeUnused(parts, id, metadata, space);
      return;
    } catch (error) {
      if (errorCode(error) !== "EBUSY") throw error;
      if (context.deferredDeletion) {
        await markDeleted(parts, id, metadata);
        return;
      }
      if (attempt >= attempts) {
        throw new GraphError(
          "EBUSY",
          `Cannot remove device ${id}: it is in use, and was for ${(attempts * pauseMs) / 1000} s. Unmount it, or end what has it open`,
          { cause: error },
        );
      }
      await sleep(pauseMs);
    }
  }
}

/**
 * Tries the devices again that were in use when they were removed.
 *
 * @param isUsedHere those have no need to be tried
 */
export async function retryDeferredDeletions(parts: RemovalParts): Promise<void> {
  const { context, deferred } = parts;
  for (const id of deferred.list()) {
    await context.locks.device(id, async () => {
      const metadata = context.store.device(id);
      try {
        if (metadata?.deleted === true) await removeUnused(parts, id, metadata);
        deferred.remove(id);
      } catch (error) {
        if (errorCode(error) !== "EBUSY")
          context.log("warn", `device ${id} still waits for its deletion: ${String(error)}`);
      }
    });
  }
}

async function removeUnused(
  parts: RemovalParts,
  id: string,
  metadata: DeviceMetadata,
  space: SpaceOnRemoval = parts.context.options.blkDiscard ? "discard" : "keep",
): Promise<void> {
  const { context, transactions, deferred } = parts;
  if (isDeviceMounted(context, id)) throw inUse(id);
  await requireUnused(context, id);
  if (space === "discard") await discardAll(context, id, metadata);
  await deactivateDevice(context, id, "fail");
  await context.locks.change(() => transactions.delete(id, metadata));
  deferred.remove(id);
  forgetLeftInPlace(context, id);
  forgetSeal(context, id);
  try {
    rmdirSync(mountPointOf(context, id));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") context.log("warn", `'${mountPointOf(context, id)}' stays: ${String(error)}`);
  }
}

/** Refuses a device that anyone has open, even one who does not claim it, as a virtual machine may not. */
async function requireUnused(context: GraphContext, id: string): Promise<void> {
  if (context.mapper.kind === "kernel") {
    // The kernel counts who has it open.
    if ((await context.mapper.info(context.names.device(id)))?.open === true) throw inUse(id);
  } else {
    // Away with it: that fails.
    await deactivateDevice(context, id, "fail");
  }
}

/** Without it the pool has the blocks free, but the host does not get them back. */
async function discardAll(context: GraphContext, id: string, metadata: DeviceMetadata): Promise<void> {
  const device = await activateDevice(context, id, metadata);
  // Exclusive: nobody may have mounted it since we looked.
  const fd = openSync(device, constants.O_RDWR | constants.O_EXCL);
  try {
    await blockDiscardAsync(fd, 0, metadata.sizeBytes);
  } catch (error) {
    context.log("warn", `device ${id} is removed without a discard: ${String(error)}`);
  } finally {
    closeSync(fd);
  }
}

async function markDeleted(parts: RemovalParts, id: string, metadata: DeviceMetadata): Promise<void> {
  if (metadata.deleted) return;
  await parts.context.locks.change(() => {
    parts.deferred.add(id);
    parts.context.store.writeDevice(id, { ...metadata, deleted: true });
    return Promise.resolve();
  });
  parts.context.log("info", `device ${id} is in use: it is deleted when that has ended`);
}

function inUse(id: string): GraphError {
  return new GraphError("EBUSY", `Cannot remove device ${id}: it is in use`);
}
