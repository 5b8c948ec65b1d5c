import { setTimeout as sleep } from "node:timers/promises";
import { failureOf, type Failure } from "./api-error.ts";

/** How a call ended: well, or with what failure. */
export interface Outcome {
  failure: Failure | null;
}

/** So many outcomes are remembered, for clients whose answer broke off. */
const remembered = 256;

/**
 * The calls that are being done. What a call has begun goes on for a while after its client has gone, to be undone; and of an answer that
 * breaks off in the middle the client cannot tell why. So clients may give a call an ID, and ask by that how it ended.
 */
export class CallsUnderWay {
  readonly #outcomes = new Map<string, Promise<Outcome>>();
  readonly #running = new Set<Promise<Outcome>>();
  readonly #stop = new AbortController();

  /** Fires when all calls are to give up. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /** Does a call. @param id that its client gave it, if it did */
  async during<T>(id: string | undefined, task: () => Promise<T>): Promise<T> {
    const work = task();
    const outcome = work.then(
      () => ({ failure: null }),
      (error: unknown) => ({ failure: failureOf(error).failure }),
    );
    this.#running.add(outcome);
    if (id !== undefined) this.#remember(id, outcome);
    try {
      return await work;
    } finally {
      this.#running.delete(outcome);
    }
  }

  /** How a call ended, once it has; undefined for one that is not known, or not any more. */
  outcome(id: string): Promise<Outcome> | undefined {
    return this.#outcomes.get(id);
  }

  /** Waits for all to end: for a while as they are, then for another while in which they are to give up. */
  async end(whileMs: number): Promise<void> {
    if (await this.#ended(whileMs)) return;
    this.#stop.abort(new Error("Cannot go on: the daemon is stopping"));
    await this.#ended(whileMs);
  }

  async #ended(withinMs: number): Promise<boolean> {
    const over = new AbortController();
    const late = sleep(withinMs, false, { signal: over.signal }).catch(() => false);
    const all = Promise.all(this.#running).then(() => true);
    try {
      return await Promise.race([all, late]);
    } finally {
      over.abort();
    }
  }

  #remember(id: string, outcome: Promise<Outcome>): void {
    this.#outcomes.set(id, outcome);
    for (const oldest of this.#outcomes.keys()) {
      if (this.#outcomes.size <= remembered) break;
      this.#outcomes.delete(oldest);
    }
  }
}
