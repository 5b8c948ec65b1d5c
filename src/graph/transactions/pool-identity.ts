import { baseId } from "../devices/device-names.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import type { PoolStatus } from "../pool/pool-status.ts";
import type { Disagreement } from "./reconcile.ts";
import { mayHaveLostTransactions } from "../files/userspace-mark.ts";

/**
 * Before a start changes anything: is the pool the graph's own, and of the same time as its files? What does not fit would be taken for
 * leftovers of a crash, and deleted.
 *
 * @throws GraphError EFOREIGN
 */
export function requireSamePool(context: GraphContext, status: PoolStatus, found: Disagreement): void {
  requireBase(context, found.missingInPool);
  const known = requireNotOlder(context, status.transactionId);
  // With a file that cannot be read, the last transaction may be that file's; nothing is deleted then.
  if (!context.exclusivePool || found.damaged.size > 0) return;
  const newer = found.unknownInPool.filter(
    ({ transactionId }) => transactionId >= known && transactionId < status.transactionId,
  );
  if (newer.length === 0) return;
  throw new GraphError(
    "EFOREIGN",
    `Cannot start '${context.root}': its files know transactions up to ${known}, but pool ${context.pool} is at ${status.transactionId} and holds ` +
      `${newer.length} devices made in between (device id ${newer[0].id}): the files are older than the pool, as from a backup, or ` +
      "someone else has changed it. Nothing was changed. Give the graph its newest files back",
  );
}

/**
 * A pool may be one transaction behind the files, by a crash; in user space also more, by a power cut.
 *
 * @returns the last transaction that the files tell of
 * @throws GraphError EFOREIGN
 */
export function requireNotOlder(context: GraphContext, transactionId: number): number {
  const known = lastKnownTransaction(context);
  if (known > transactionId + 1 && !mayHaveLostTransactions(context.root))
    throw olderPool(context, transactionId, known);
  return known;
}

/** An empty pool is not to take the place of one with devices. @throws GraphError EFOREIGN */
export function requireNothingStored(context: GraphContext): void {
  requireBase(context, [...context.store.devices().devices.keys()]);
}

/** The refusal of a pool that lacks transactions which the graph's files tell of. */
export function olderPool({ root, pool }: GraphContext, transactionId: number, known: number): GraphError {
  return new GraphError(
    "EFOREIGN",
    `Cannot go on with '${root}': its files are at transaction ${known}, but pool ${pool} is only at ${transactionId}: the pool is older than the ` +
      "files, as from a backup, or someone else has set it back. Nothing was changed. Give the graph its own pool back, or its files of the same time",
  );
}

/** The last transaction that the files tell of: a device's, or the open one. */
function lastKnownTransaction({ store }: GraphContext): number {
  let last = 0;
  for (const { transactionId } of store.devices().devices.values()) last = Math.max(last, transactionId);
  try {
    return Math.max(last, store.transaction()?.openTransactionId ?? 0);
  } catch {
    return last; // damaged: recovery deals with it
  }
}

function requireBase(context: GraphContext, missingInPool: string[]): void {
  if (!missingInPool.includes(baseId) || context.store.device(baseId)?.initialized !== true) return;
  const others = context.store.devices().devices.size - 1;
  if (others === 0) return;
  throw new GraphError(
    "EFOREIGN",
    `Cannot start '${context.root}': pool ${context.pool} does not hold its base device, nor ${missingInPool.length - 1} of its ${others} other devices. ` +
      "It is another pool, or was emptied: give the graph its own pool back",
  );
}
