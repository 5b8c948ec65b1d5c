import { closeSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { punchHole } from "../../src/linux/fallocate.ts";

const sectorBytes = 512;
const magic = 0x6a736677736872n;
const entryBytes = 32;

/** Bits of an entry's flags (drivers/md/dm-log-writes.c). */
const flagBits = { flush: 1, fua: 2, discard: 4, mark: 8 } as const;

/** Something that a logged device was asked to do, in the order in which it became durable. */
export interface LogEntry {
  kind: "write" | "discard" | "mark";
  /** First byte on the device. */
  offset: number;
  lengthBytes: number;
  /** Where the written bytes are in the log. */
  dataOffset: number;
  /** Everything before this entry is on the medium, come what may. */
  flush: boolean;
  /** This write itself is on the medium. */
  fua: boolean;
  /** A mark's text. */
  mark: string | undefined;
}

/**
 * Reads the log of a dm-log-writes target. A write that no flush followed yet comes after that flush, as the target has it: a replay
 * up to a flush, a FUA write or a mark is what a device with a volatile cache has for certain at that moment.
 *
 * Source of the format: Linux, Documentation/admin-guide/device-mapper/log-writes.rst and drivers/md/dm-log-writes.c: a superblock
 * (magic, version, number of entries: 64 bits each; sector size: 32 bits), then for each entry a sector (sector, number of sectors, flags,
 * length of the data behind it: 64 bits each, little-endian) and the written sectors.
 */
export function readLog(path: string): LogEntry[] {
  const fd = openSync(path, "r");
  try {
    const sector = Buffer.alloc(sectorBytes);
    readSync(fd, sector, 0, sectorBytes, 0);
    if (sector.readBigUInt64LE(0) !== magic) throw new Error(`'${path}' is no log of dm-log-writes`);
    if (sector.readUInt32LE(24) !== sectorBytes) throw new Error(`'${path}' has sectors of another size than 512`);
    const count = Number(sector.readBigUInt64LE(16));
    const entries: LogEntry[] = [];
    let at = sectorBytes;
    for (let index = 0; index < count; index++) {
      readSync(fd, sector, 0, sectorBytes, at);
      const entry = parseEntry(sector, at + sectorBytes);
      entries.push(entry);
      at += sectorBytes + (entry.kind === "write" ? entry.lengthBytes : 0);
    }
    return entries;
  } finally {
    closeSync(fd);
  }
}

function parseEntry(sector: Buffer, dataOffset: number): LogEntry {
  const [first, sectors, flags, length] = [0, 8, 16, 24].map((at) => Number(sector.readBigUInt64LE(at)));
  const kind = (flags & flagBits.mark) !== 0 ? "mark" : (flags & flagBits.discard) !== 0 ? "discard" : "write";
  return {
    kind,
    offset: first * sectorBytes,
    lengthBytes: sectors * sectorBytes,
    dataOffset,
    flush: (flags & flagBits.flush) !== 0,
    fua: (flags & flagBits.fua) !== 0,
    mark: kind === "mark" ? sector.toString("utf8", entryBytes, entryBytes + length).replace(/\0.*$/, "") : undefined,
  };
}

/** A disk that the entries of a log are done to, in order. */
export class LogReplay {
  readonly #log: number;
  readonly #disk: number;
  readonly #entries: readonly LogEntry[];
  #done = 0;
  #bytes = Buffer.alloc(1 << 20);

  /** @param disk a file, made or emptied, of the logged device's size */
  constructor(log: string, disk: string, sizeBytes: number) {
    this.#entries = readLog(log);
    this.#log = openSync(log, "r");
    this.#disk = openSync(disk, "w+");
    ftruncateSync(this.#disk, sizeBytes);
  }

  get entries(): readonly LogEntry[] {
    return this.#entries;
  }

  /** Does all entries before `index` that are not done yet. */
  advanceTo(index: number): void {
    for (; this.#done < index; this.#done++) this.#do(this.#entries[this.#done]);
  }

  /**
   * Does some of the entries from the present one up to `index` too, as a disk may that was not asked to flush. A later
   * `advanceTo` does them all, in order, so nothing of this stays.
   */
  doSome(index: number, chosen: () => boolean): void {
    for (let at = this.#done; at < index; at++) if (chosen()) this.#do(this.#entries[at]);
  }

  close(): void {
    closeSync(this.#log);
    closeSync(this.#disk);
  }

  #do({ kind, offset, lengthBytes, dataOffset }: LogEntry): void {
    if (kind === "mark" || lengthBytes === 0) return;
    if (kind === "discard") return punchHole(this.#disk, offset, lengthBytes);
    if (this.#bytes.length < lengthBytes) this.#bytes = Buffer.alloc(lengthBytes);
    readSync(this.#log, this.#bytes, 0, lengthBytes, dataOffset);
    writeSync(this.#disk, this.#bytes, 0, lengthBytes, offset);
  }
}

/** Where the power may go: after each flush and FUA write (later entries may be there or not), with the flush that comes next. */
export function cutPoints(entries: readonly LogEntry[]): { durable: number; possible: number }[] {
  const barriers = entries.flatMap(({ flush, fua }, index) => (flush || fua ? [index + 1] : []));
  return barriers.map((durable, index) => ({ durable, possible: barriers[index + 1] ?? entries.length }));
}
