import { deactivateDevice } from "./activation.ts";
import type { GraphContext } from "../graph-context.ts";
import { isLeftInPlace } from "../files/left-in-place.ts";
import { isDeviceMounted } from "./mount-points.ts";

/** How long an unmounted device stays active, where nobody takes it up. */
export const lingerMs = 5000;

/**
 * Devices that this process unmounted and left active for a moment: one that is mounted again, or removed, soon after is spared its
 * activation, which is most of the work. Nobody has such a device open, and all that was written to it has been written out.
 * Other processes find it active, and may do with it what they like. Where this process dies, it stays active until its
 * next user or shutdown. Only in the kernel, where an active device costs next to nothing.
 */
export class LingeringDevices {
  readonly #context: GraphContext;
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(context: GraphContext) {
    this.#context = context;
  }

  /**
   * Leaves a device active that this process has just unmounted. Only for who holds the device's lock.
   *
   * @returns false where devices do not linger: then it is to be deactivated
   */
  add(id: string): boolean {
    if (this.#context.mapper.kind !== "kernel") return false;
    this.end(id);
    this.#timers.set(id, setTimeout(() => void this.#deactivate(id), lingerMs).unref());
    return true;
  }

  /** The device is to be used, or to go: it lingers no longer. @returns whether it did */
  end(id: string): boolean {
    clearTimeout(this.#timers.get(id));
    return this.#timers.delete(id);
  }

  /** Deactivates all of them: this process has done with the graph. */
  async endAll(): Promise<void> {
    for (const id of this.#timers.keys()) await this.#deactivate(id);
  }

  /** They are gone, with the pool. */
  forgetAll(): void {
    for (const id of this.#timers.keys()) this.end(id);
  }

  async #deactivate(id: string): Promise<void> {
    const { locks, log } = this.#context;
    try {
      await locks.operation(() => locks.device(id, () => this.#deactivateUnused(id)));
    } catch (error) {
      log("info", `device ${id} stays active: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #deactivateUnused(id: string): Promise<void> {
    if (!this.end(id) || isDeviceMounted(this.#context, id) || isLeftInPlace(this.#context, id)) return;
    await deactivateDevice(this.#context, id, "fail");
  }
}
