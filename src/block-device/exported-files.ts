import type { ServedVolume } from "./served-volume.ts";

/** A volume as a file of the mount. */
export interface ExportedFile {
  readonly name: string;
  readonly slot: number;
  /** Tells this use of the slot from earlier ones that the kernel may still ask about. */
  readonly generation: number;
  /** Another after a new table was put in force. */
  volume: ServedVolume;
  sizeBytes: number;
  /** Open handles, as far as this engine knows. */
  opens: number;
  /** It was suspended, itself and not with the pool. */
  suspended: boolean;
  /** I/O waits, because the volume or the pool is suspended. Read on the data path. */
  held: boolean;
  /** It goes when its last handle is closed. */
  deferredRemove: boolean;
}

/** What a new file needs; slot and generation are given where an earlier engine chose them. */
export type NewFile = Pick<ExportedFile, "name" | "volume" | "sizeBytes"> & {
  place?: Place;
};

/** A slot and its generation: the two halves of a node id. They must survive the engine, for the kernel remembers them. */
export interface Place {
  slot: number;
  generation: number;
}

/** The files of a mount, found by name, and by slot without a search. */
export class ExportedFiles {
  /** Sparse; read on the data path. */
  readonly slots: (ExportedFile | undefined)[] = [];
  readonly #byName = new Map<string, ExportedFile>();
  #lastGeneration = 0;

  /** Chooses a place that no file has, with a generation that no earlier file of the slot had. */
  freePlace(): Place {
    let slot = this.slots.indexOf(undefined);
    if (slot < 0) slot = this.slots.length;
    // Seconds, so that generations grow over engines that know nothing of each other's files.
    const generation = Math.max(this.#lastGeneration + 1, Math.floor(Date.now() / 1000));
    return { slot, generation };
  }

  add(file: NewFile): ExportedFile {
    const { slot, generation } = file.place ?? this.freePlace();
    while (this.slots.length < slot) this.slots.push(undefined);
    this.#lastGeneration = Math.max(this.#lastGeneration, generation);
    const { name, volume, sizeBytes } = file;
    const opened = { name, slot, generation, volume, sizeBytes };
    const added: ExportedFile = { ...opened, opens: 0, suspended: false, held: false, deferredRemove: false };
    this.slots[slot] = added;
    this.#byName.set(name, added);
    return added;
  }

  remove(file: ExportedFile): void {
    this.slots[file.slot] = undefined;
    this.#byName.delete(file.name);
  }

  get(name: string): ExportedFile | undefined {
    return this.#byName.get(name);
  }

  /** All files, in the order they were added. */
  all(): ExportedFile[] {
    return [...this.#byName.values()];
  }
}
