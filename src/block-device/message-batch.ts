import { errno, errnoName } from "../linux/system-error.ts";
import { poolMode } from "../thin/pool-mode.ts";
import type { Pool } from "../thin/pool.ts";
import { QUEUED } from "../thin/request-status.ts";
import { ControlError } from "./control-message.ts";

/** What became of a batch of messages. */
export interface BatchOutcome {
  /** How many were carried out and are kept. */
  done: number;
  /** Why the next was not. */
  error?: unknown;
}

/**
 * Carries out a pool's messages in order, commits them together at the end, and stops at the first that fails: what came before it is kept.
 *
 * Each message's journal record tells how far the batch is. So a batch that comes again, as the engine died in its midst, goes on where it was.
 *
 * @param batchId the control request's id: the same when it comes again
 */
export function carryOutBatch(pool: Pool, messages: readonly string[], batchId: string): BatchOutcome {
  const requestId = `${batchId}/progress`;
  let done = Number(pool.answerOf(requestId) ?? 0);
  try {
    for (; done < messages.length; done++) {
      pool.message(messages[done], { requestId, commit: "later", answer: String(done + 1) });
    }
  } catch (error) {
    // What was not committed went with the transaction.
    if (pool.mode >= poolMode.readOnly) return { done: 0, error };
    return { ...committed(pool, done), error };
  }
  return committed(pool, done);
}

/** On a full host disk they wait in the journal for their commit, as a single message does. */
function committed(pool: Pool, done: number): BatchOutcome {
  const status = pool.commit();
  if (status === 0 || status === QUEUED) return { done };
  const code = errnoName(status < 0 ? -status : errno.EIO);
  return {
    done: 0,
    error: new ControlError(code, `Cannot commit the messages: the pool could not write them (${code})`),
  };
}
