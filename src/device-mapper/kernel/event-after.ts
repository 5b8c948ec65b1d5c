import { setTimeout as sleep } from "node:timers/promises";
import { DeviceEvents } from "../../linux/dm-events.ts";

/** How long who waits for a device's event lets the events of others pass. */
const OTHERS_EVENTS_PAUSE_MS = 500;

/**
 * Waits until a device's event number is another than `before`, and returns it.
 *
 * @param eventNumber asks for the device's number; what it throws (there is no such device any more) ends the wait
 */
export async function eventAfter(
  before: number,
  eventNumber: () => Promise<number>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const events = new DeviceEvents();
  try {
    for (;;) {
      signal?.throwIfAborted();
      events.arm();
      const now = await eventNumber();
      if (now !== before) return now;
      await events.raised(signal);
      const raised = await eventNumber();
      if (raised !== before) return raised;
      // Another device's, as each that is made or removed has one: not to be woken by all of them.
      await sleep(OTHERS_EVENTS_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    events.close();
  }
}
