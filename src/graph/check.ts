import { baseId } from "./devices/device-names.ts";
import type { GraphContext } from "./graph-context.ts";
import { findDisagreement } from "./transactions/reconcile.ts";
import { poolStatus } from "./pool/thin-pool.ts";

/**
 * Checks the pool's metadata, and the graph's files against the pool. Changes nothing. Only for who holds the graph's lock.
 *
 * @returns what is wrong, a line each; none when all is well
 */
export async function checkGraph(context: GraphContext): Promise<string[]> {
  const problems = (await context.mapper.checkMetadata(context.pool)).map((problem) => `pool metadata: ${problem}`);
  const status = await poolStatus(context);
  if (status.needsCheck) problems.push(`pool ${context.pool} is marked as in need of a check`);
  const { unknownInPool, missingInPool, claimedTwice, damaged } = await findDisagreement(context);
  for (const error of damaged.values()) problems.push(error.message);
  for (const id of missingInPool) problems.push(`device ${id} has a file, but is not in the pool`);
  if (context.exclusivePool) {
    for (const { id } of unknownInPool) problems.push(`device id ${id} is in the pool, but no file names it`);
  }
  for (const [deviceId, ids] of claimedTwice) {
    problems.push(`device id ${deviceId} is claimed by the files of ${ids.join(" and ")}`);
  }
  problems.push(...checkFiles(context, status.transactionId));
  return problems;
}

function checkFiles(context: GraphContext, transactionId: number): string[] {
  const problems: string[] = [];
  const { devices } = context.store.devices();
  if (devices.get(baseId)?.initialized !== true) problems.push("the base device has no file, or was never completed");
  for (const [id, metadata] of devices) {
    if (metadata.transactionId > transactionId) {
      problems.push(
        `device ${id} was made in transaction ${metadata.transactionId}, but the pool is only at ${transactionId}`,
      );
    }
    if (metadata.sizeBytes === 0 || metadata.sizeBytes % 512 !== 0) {
      problems.push(`device ${id} has ${metadata.sizeBytes} bytes, which is no whole number of sectors`);
    }
  }
  try {
    const open = context.store.transaction();
    if (open !== undefined && open.openTransactionId > transactionId) {
      problems.push(
        `transaction ${open.openTransactionId} (device ${open.deviceHash || baseId}) was not completed; the next change undoes it`,
      );
    }
    context.store.deviceSet();
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  }
  return problems;
}
