import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "../../linux/system-error.ts";
import { growByPolicy, mayHaveToGrow } from "./autogrow.ts";
import { autogrowPolicy } from "./autogrow-policy.ts";
import type { GraphContext } from "../graph-context.ts";
import { poolStatus } from "../pool/thin-pool.ts";

/** So often a pool is looked at without an event: low-water marks are where Docker sets them, not at a policy's threshold. */
const pollMs = 10_000;

/**
 * Watches a pool and grows it by its policy, until the pool is gone or its policy says no more. Returns at once where another
 * process does so already.
 */
export async function monitorPool(context: GraphContext): Promise<void> {
  const { mapper, pool, log, locks } = context;
  if (!locks.becomeMonitor()) return;
  const told = new Told((message) => log("warn", message));
  for (;;) {
    let eventNumber;
    try {
      const info = await mapper.info(pool);
      if (info === undefined) return;
      eventNumber = info.eventNumber;
      if (autogrowPolicy(context)?.enabled !== true) return;
      // Shutdown is alone on the graph: what has to be done then is to end.
      if (mayHaveToGrow(context, await poolStatus(context))) {
        const { refusals } = await locks.operation(() => growRunningPool(context));
        told.all(refusals);
      } else {
        told.all([]);
      }
    } catch (error) {
      // Stopped in between: the next look tells.
      if (errorCode(error) !== "ENXIO") told.all([error instanceof Error ? error.message : String(error)]);
    }
    if (eventNumber === undefined) await sleep(pollMs);
    else await eventOrPoll(context, eventNumber);
  }
}

/** Grows by policy, with the locks for it. Not to be called by who holds the graph's lock. */
export function growRunningPool(context: GraphContext): ReturnType<typeof growByPolicy> {
  return context.locks.changeOrBeside(() => context.locks.poolTable(() => growByPolicy(context)));
}

async function eventOrPoll({ mapper, pool }: GraphContext, eventNumber: number): Promise<void> {
  const began = performance.now();
  try {
    await mapper.waitForEvent(pool, eventNumber, AbortSignal.timeout(pollMs));
  } catch (error) {
    // The time is over, the pool is gone, or it cannot be waited for: the next look tells.
    if (performance.now() - began < pollMs) await sleep(errorCode(error) === "ENXIO" ? 20 : 1000);
  }
}

/** Says what is wrong once, not at each look, and again when it had been well in between. */
class Told {
  readonly #tell: (message: string) => void;
  #last = new Set<string>();

  constructor(tell: (message: string) => void) {
    this.#tell = tell;
  }

  all(messages: readonly string[]): void {
    for (const message of messages) if (!this.#last.has(message)) this.#tell(message);
    this.#last = new Set(messages);
  }
}
