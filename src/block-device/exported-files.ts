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

/** The name of the file that is the pool itself: one that no device can have. */
export const POOL_FILE = "~pool";

/** The files of a mount, found by name, and by slot without a search. */
export class ExportedFiles {
  /** The pool itself as a file: it has a node id of its own, and is not among `all`. */
  pool: ExportedFile | undefined;
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
    const place = file.place ?? this.freePlace();
    const { slot, generation } = place;
    while (this.slots.length < slot) this.slots.push(undefined);
    this.#lastGeneration = Math.max(this.#lastGeneration, generation);
    const added = exportedFile(file, place);
    this.slots[slot] = added;
    this.#byName.set(added.name, added);
    return added;
  }

  /** Makes a file of the pool itself. */
  addPool(volume: ServedVolume, sizeBytes: number): ExportedFile {
    return (this.pool = exportedFile({ name: POOL_FILE, volume, sizeBytes }, { slot: 0, generation: 0 }));
  }

  remove(file: ExportedFile): void {
    this.slots[file.slot] = undefined;
    this.#byName.delete(file.name);
  }

  /** A volume's file. */
  get(name: string): ExportedFile | undefined {
    return this.#byName.get(name);
  }

  /** What is to be seen under a name in the mount: a volume's file, or the pool's. */
  lookUp(name: string): ExportedFile | undefined {
    return name === POOL_FILE ? this.pool : this.#byName.get(name);
  }

  /** All files, in the order they were added. */
  all(): ExportedFile[] {
    return [...this.#byName.values()];
  }
}

function exportedFile(file: NewFile, { slot, generation }: Place): ExportedFile {
  const { name, volume, sizeBytes } = file;
  const opened = { name, slot, generation, volume, sizeBytes };
  return { ...opened, opens: 0, suspended: false, held: false, deferredRemove: false };
}
