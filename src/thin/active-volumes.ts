import { BlockWriter } from "./block-writer.ts";
import { ThinError } from "./errors.ts";
import { FileDataDevice } from "./file-data-device.ts";
import type { PoolCore } from "./pool-core.ts";
import type { ActiveVolume } from "./pool-session.ts";
import { ThinVolume } from "./volume.ts";

/** The open volumes of a pool. What is active is the session's to say; this holds what serves it. */
export class ActiveVolumes {
  readonly #core: PoolCore;
  readonly #writer: BlockWriter;
  readonly #volumes = new Map<number, ThinVolume>();

  constructor(core: PoolCore) {
    this.#core = core;
    this.#writer = new BlockWriter(core);
  }

  has(id: number): boolean {
    return this.#volumes.has(id);
  }

  get(id: number): ThinVolume | undefined {
    return this.#volumes.get(id);
  }

  /** @throws ThinError ENODATA when it is not active */
  require(id: number, what: string): ThinVolume {
    const volume = this.#volumes.get(id);
    if (volume === undefined) throw new ThinError("ENODATA", `Cannot ${what} thin device ${id}: it is not active`);
    return volume;
  }

  /** @throws ThinError ENODATA when there is no such device; the system's error when its origin cannot be opened */
  open(entry: ActiveVolume): ThinVolume {
    const { metadata } = this.#core;
    const mapping = metadata.openDevice(entry.id);
    const { externalOriginPath } = entry;
    try {
      const origin = externalOriginPath === undefined ? undefined : new FileDataDevice(externalOriginPath, "read-only");
      const volume = new ThinVolume(this.#core, this.#writer, mapping, entry.sizeSectors * 512, origin);
      this.#volumes.set(entry.id, volume);
      this.#core.members.set(entry.id, volume);
      return volume;
    } catch (error) {
      metadata.closeDevice(entry.id);
      throw error;
    }
  }

  /** Opens what the engine before had active. */
  revive(): void {
    const { session, log } = this.#core;
    for (const entry of [...session.active.values()]) {
      try {
        this.open(entry);
      } catch (error) {
        session.active.delete(entry.id);
        const reason = error instanceof Error ? error.message : String(error);
        log("error", `Cannot activate thin device ${entry.id} again: ${reason}`);
      }
    }
  }

  shut(volume: ThinVolume): void {
    this.#volumes.delete(volume.id);
    this.#core.members.delete(volume.id);
    volume.origin?.close();
    this.#core.metadata.closeDevice(volume.id);
  }

  /** Closes the origins' files; the pool is on its way out. */
  abandon(): void {
    for (const volume of this.#volumes.values()) volume.origin?.close();
    this.#volumes.clear();
  }
}
