import { maxDeviceId } from "../files/device-metadata.ts";
import type { DeviceSetMetadata } from "../files/device-set-metadata.ts";
import type { MetadataStore } from "../files/metadata-store.ts";

const largestReservation = 64;
const nothingStored: DeviceSetMetadata = { nextDeviceId: 0, baseDeviceUuid: "", baseDeviceFileSystem: "" };

/**
 * Gives out device ids: 24 bits, upwards from the stored one, round again at the end. To store the place costs a sync, so a
 * process that makes many devices reserves ids ahead, more each time; what it did not need goes back when it closes.
 * Only for who holds the graph's lock.
 */
export class DeviceIds {
  readonly #store: MetadataStore;
  #last = 0;
  #left = 0;
  #reservation = 1;
  #written: DeviceSetMetadata | undefined;

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  /** An id that was not given out for the longest time. It may be in use all the same: the pool knows. */
  next(): number {
    do {
      if (this.#left === 0) this.#reserve();
      this.#last = following(this.#last, 1);
      this.#left--;
    } while (this.#last === 0);
    return this.#last;
  }

  /** Gives the rest of the reservation back, if nobody has reserved behind it. */
  giveBack(): void {
    if (this.#left === 0 || this.#written === undefined || this.#store.deviceSet() !== this.#written) return;
    this.#store.writeDeviceSet({ ...this.#written, nextDeviceId: this.#last });
    this.#left = 0;
  }

  #reserve(): void {
    const stored = this.#store.deviceSet() ?? nothingStored;
    this.#last = stored.nextDeviceId;
    this.#written = { ...stored, nextDeviceId: following(this.#last, this.#reservation) };
    this.#store.writeDeviceSet(this.#written);
    this.#left = this.#reservation;
    this.#reservation = Math.min(this.#reservation * 2, largestReservation);
  }
}

function following(id: number, step: number): number {
  return (id + step) % (maxDeviceId + 1);
}
