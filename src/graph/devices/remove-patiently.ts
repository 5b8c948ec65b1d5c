import { setTimeout as sleep } from "node:timers/promises";
import { errorCode } from "../../linux/system-error.ts";
import { GraphError } from "../graph-error.ts";

/** How long to go on removing a device that is in use. */
export interface Patience {
  attempts: number;
  pauseMs: number;
}

/**
 * Removes a device, again and again while it is in use. No error if it is not there.
 *
 * @param remove one attempt
 * @param busyMessage what the GraphError EBUSY says when patience ends
 */
export async function removePatiently(
  remove: () => Promise<void>,
  { attempts, pauseMs }: Patience,
  busyMessage: string,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await remove();
      return;
    } catch (error) {
      if (errorCode(error) === "ENXIO") return;
      if (errorCode(error) !== "EBUSY") throw error;
      if (attempt >= attempts) throw new GraphError("EBUSY", busyMessage, { cause: error });
      await sleep(pauseMs);
    }
  }
}
