import type { GraphContext } from "../graph-context.ts";

/** What the pool and the files do not agree on. */
export interface Disagreement {
  /** Devices in the pool that no file names, and the pool's transaction in which each was made. */
  unknownInPool: { id: number; transactionId: number }[];
  /** Devices with a file, but not in the pool. */
  missingInPool: string[];
  /** Device ids that more than one file claims, with the claimants. */
  claimedTwice: Map<number, string[]>;
  /** Files that cannot be read, and why. */
  damaged: Map<string, Error>;
}

/** Compares the pool with the files. Only for who holds the graph's lock. */
export async function findDisagreement(context: GraphContext): Promise<Disagreement> {
  const { devices, damaged } = context.store.devices();
  const pool = await context.mapper.usage(context.pool);
  const inPool = new Set(pool.devices.map(({ id }) => id));
  const claims = new Map<number, string[]>();
  for (const [id, { deviceId }] of devices) claims.set(deviceId, [...(claims.get(deviceId) ?? []), id]);
  return {
    unknownInPool: pool.devices.filter(({ id }) => !claims.has(id)),
    missingInPool: [...devices].filter(([, { deviceId }]) => !inPool.has(deviceId)).map(([id]) => id),
    claimedTwice: new Map([...claims].filter(([, ids]) => ids.length > 1)),
    damaged,
  };
}

/**
 * Makes the pool and the files agree after the pool was stopped, perhaps by a power cut: a device without a file is a leftover of a change that
 * was cut short, and is deleted; a file without a device is removed, with a warning. Nothing is deleted from a pool that others may use, nor while
 * a file cannot be read. Only for who holds the graph's lock, and has asked `requireSamePool`.
 */
export async function reconcile(
  context: GraphContext,
  { unknownInPool, missingInPool, claimedTwice, damaged }: Disagreement,
): Promise<void> {
  for (const error of damaged.values()) context.log("error", error.message);
  for (const [deviceId, ids] of claimedTwice) {
    context.log("error", `the files of ${ids.join(" and ")} both claim device id ${deviceId}`);
  }
  for (const id of missingInPool) {
    context.log("warn", `device ${id} is not in the pool: its file is removed`);
    context.store.removeDevice(id, context.exclusivePool ? "not-durable" : "durable");
  }
  if (!context.exclusivePool) return;
  for (const { id: deviceId } of unknownInPool) {
    if (damaged.size > 0) {
      context.log("error", `device id ${deviceId} in the pool belongs to no file that can be read: it is left alone`);
      continue;
    }
    context.log("warn", `device id ${deviceId} in the pool belongs to no device of the graph: it is deleted`);
    await context.mapper.message(context.pool, `delete ${deviceId}`);
  }
  context.store.removeTemporaryFiles();
}
