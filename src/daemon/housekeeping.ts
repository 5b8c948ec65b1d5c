import type { Logger } from "pino";
import type { DeviceSet } from "../graph/device-set.ts";
import type { Store } from "../image/store.ts";

const periodMs = 30_000;

/**
 * Does again and again what commands do whenever they open a graph, as a daemon opens it once: settles what other processes left half done
 * when they died, and sees to it that the pool is watched.
 *
 * @returns what ends it, and waits for what is being done
 */
export function keepHouse(
  { devices, store }: { devices: Pick<DeviceSet, "keepWatched">; store: Pick<Store, "settle"> },
  log: Logger,
): () => Promise<void> {
  let round = Promise.resolve();
  const timer = setInterval(() => {
    round = round.then(async () => {
      try {
        devices.keepWatched();
        await store.settle();
      } catch (error) {
        log.warn({ err: error }, "what others left half done could not be settled");
      }
    });
  }, periodMs);
  return () => {
    clearInterval(timer);
    return round;
  };
}
