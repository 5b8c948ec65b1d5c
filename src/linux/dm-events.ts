import { closeSync, openSync } from "node:fs";
import { loadKoffi } from "./libc.ts";
import { armPoll, controlDevice } from "./dm-ioctl.ts";

/**
 * Waits for the events of the kernel's device mapper, whichever device's they are, without a thread: libdevmapper can only wait
 * for one device, and stops its caller's thread meanwhile.
 */
export class DeviceEvents {
  readonly #fd = openSync(controlDevice, "r+");

  /** Events from now on count. */
  arm(): void {
    armPoll(this.#fd);
  }

  /** Returns when there was an event since `arm`, or the signal was aborted. */
  async raised(signal?: AbortSignal): Promise<void> {
    const ended = new AbortController();
    try {
      await new Promise<void>((resolve) => {
        const handle = loadKoffi().node.poll(this.#fd, { readable: true }, () => resolve());
        ended.signal.addEventListener("abort", () => handle.close());
        signal?.addEventListener("abort", () => resolve(), { signal: ended.signal });
        if (signal?.aborted === true) resolve();
      });
    } finally {
      ended.abort();
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
