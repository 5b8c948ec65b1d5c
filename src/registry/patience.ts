import { setTimeout as sleep } from "node:timers/promises";

/** How long to wait for a registry, and how often to ask again. Milliseconds. */
export interface Patience {
  /** For a connection. */
  connectMs: number;
  /** For an answer to begin. */
  answerMs: number;
  /** For the next bytes of an answer. */
  stallMs: number;
  /** Attempts after the first; a download that gets on has them anew. */
  retries: number;
  /** Before the first of them; doubled each time, up to 30 s. */
  pauseMs: number;
}

/** As people wait. */
export const usualPatience: Patience = {
  connectMs: 15_000,
  answerMs: 60_000,
  stallMs: 60_000,
  retries: 5,
  pauseMs: 500,
};

const MAX_PAUSE_MS = 30_000;
/** Whoever asks for more than that is not waited for. */
const MAX_ASKED_PAUSE_MS = 120_000;

/**
 * Waits before another attempt.
 *
 * @param attempt 1 for the first after a failure
 * @param askedMs what the registry asked for by Retry-After
 * @returns false when it is not worth it: too many attempts, or too long a wait
 */
export async function pauseBefore(
  attempt: number,
  patience: Patience,
  askedMs: number | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (attempt > patience.retries || (askedMs ?? 0) > MAX_ASKED_PAUSE_MS) return false;
  const own = Math.min(patience.pauseMs * 2 ** (attempt - 1), MAX_PAUSE_MS);
  // Not all at once: those who were turned away together would come back together.
  const milliseconds = Math.max(askedMs ?? 0, own * (0.75 + Math.random() / 2));
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return true;
}

/** Reads a Retry-After header: seconds, or a date (RFC 9110, 10.2.3). */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
