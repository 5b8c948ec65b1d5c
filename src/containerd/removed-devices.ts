import type { Logger } from "pino";
import type { SnapshotterDevices } from "./snapshot-devices.ts";
import type { SnapshotterSettings } from "./snapshotter-options.ts";

/**
 * Devices that no snapshot has any more, and that are still to go. They need no file: at a start, a device of the snapshotter's without a
 * record is one of them.
 */
export class RemovedDevices {
  readonly #devices: SnapshotterDevices;
  readonly #settings: SnapshotterSettings;
  readonly #log: Logger;
  readonly #waiting = new Set<string>();
  #cleanup: Promise<void> | undefined;

  constructor(devices: SnapshotterDevices, settings: SnapshotterSettings, log: Logger) {
    this.#devices = devices;
    this.#settings = settings;
    this.#log = log;
  }

  /** It goes with the next `cleanUp`. */
  add(device: string): void {
    this.#waiting.add(device);
  }

  /** Removes one at once; where that fails it waits for the next `cleanUp`, which is told to the log: a snapshot's removal does not fail for it. */
  async removeNow(device: string): Promise<void> {
    try {
      await this.#devices.remove(device, { space: this.#settings.space });
      this.#waiting.delete(device);
    } catch (error) {
      this.#waiting.add(device);
      this.#log.warn({ err: error, device }, "the device of a removed snapshot is still there");
    }
  }

  /** Removes all that wait, and those that were busy when they were removed. */
  async cleanUp(): Promise<void> {
    this.#cleanup ??= this.#removeAll().finally(() => (this.#cleanup = undefined));
    await this.#cleanup;
  }

  /** Resolves when no clean-up runs. */
  async settled(): Promise<void> {
    await this.#cleanup?.catch(() => undefined); // who asked for it was told
  }

  async #removeAll(): Promise<void> {
    for (const device of this.#waiting) await this.removeNow(device);
    await this.#devices.retryDeletions();
  }
}
