import type { DeviceFiles } from "../docker-graph/device-files.ts";
import { baseId } from "../graph/devices/device-names.ts";
import { humanSize } from "../graph/options/size.ts";

/** What a pool's metadata says of itself; a FrozenPool is one. */
export interface PoolContents {
  readonly transactionId: number;
  readonly blockBytes: number;
  devices(): readonly { id: number; mappedBlocks: number }[];
}

/**
 * Compares what the graph's files say with what is in the pool.
 *
 * @param label what a user would call a device
 * @returns what does not agree, in plain words
 */
export function comparePool(files: DeviceFiles, pool: PoolContents, label: (device: string) => string): string[] {
  const problems: string[] = [];
  const present = new Map(pool.devices().map(({ id, mappedBlocks }) => [id, mappedBlocks]));
  const claims = new Map<number, string[]>();
  for (const [name, { deviceId }] of files.devices) claims.set(deviceId, [...(claims.get(deviceId) ?? []), name]);
  const unfinished = unfinishedTransaction(files, pool, label);
  if (unfinished !== undefined) problems.push(unfinished);
  const { transaction } = files;
  // The leftover of an interrupted change is told already.
  const leftover =
    transaction !== undefined && pool.transactionId < transaction.openTransactionId ? transaction.deviceId : undefined;
  for (const [deviceId, names] of claims) {
    if (names.length > 1) {
      problems.push(
        `${names.map(label).join(" and ")} both claim device id ${deviceId} of the pool: only one can be right`,
      );
    }
    if (present.has(deviceId)) continue;
    for (const name of names) {
      problems.push(`${sentence(label(name))} (device id ${deviceId}) is not in the pool: its files are lost`);
    }
  }
  for (const [deviceId, blocks] of present) {
    if (claims.has(deviceId) || deviceId === leftover) continue;
    problems.push(
      `Device id ${deviceId} in the pool (${humanSize(blocks * pool.blockBytes)}) belongs to no device of the graph: ` +
        "what is in it cannot be named",
    );
  }
  return problems;
}

/** Whether the pool lacks so much of what the graph should have that it is another graph's. */
export function isForeignPool(files: DeviceFiles, pool: PoolContents): boolean {
  const devices = [...files.devices];
  if (devices.length === 0) return false;
  const present = new Set(pool.devices().map(({ id }) => id));
  const base = files.devices.get(baseId);
  if (base !== undefined && devices.length > 1 && !present.has(base.deviceId)) return true;
  return devices.every(([, { deviceId }]) => !present.has(deviceId));
}

/** A change writes what it is about to do, and then the pool's transaction id follows. */
function unfinishedTransaction(
  { transaction }: DeviceFiles,
  pool: PoolContents,
  label: (device: string) => string,
): string | undefined {
  if (transaction === undefined || transaction.openTransactionId === pool.transactionId) return undefined;
  const { openTransactionId, deviceHash, deviceId } = transaction;
  if (pool.transactionId > openTransactionId) {
    return (
      `The graph's files tell of transaction ${openTransactionId}, and the pool is at ${pool.transactionId}: the files are older than ` +
      "the pool. They were copied while Docker ran, or put back from a backup"
    );
  }
  const device = label(deviceHash === "" ? baseId : deviceHash);
  return (
    `Docker was interrupted while it made or deleted ${device} (device id ${deviceId}): transaction ${openTransactionId} was begun, ` +
    `and the pool is at ${pool.transactionId}. Docker's next start would delete that device`
  );
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
