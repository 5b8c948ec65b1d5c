import type { BlockFile } from "../../persistent-data/block-file.ts";
import { MetadataError } from "../../persistent-data/metadata-error.ts";
import { errnoName } from "../../linux/system-error.ts";
import type { DataDevice } from "../data-device.ts";
import type { JournalFile } from "../journal-file.ts";
import type { MemoryDisk } from "./memory-disk.ts";

/** A memory disk as data device. */
export function memoryDataDevice(disk: MemoryDisk): DataDevice {
  return {
    get sizeBytes() {
      return disk.sizeBytes;
    },
    refreshSize: () => undefined,
    read: (buffer, at, offset, length) => disk.read(buffer, at, offset, length),
    write: (buffer, at, offset, length) => disk.write(buffer.subarray(at, at + length), offset),
    isHole: (offset, length) => disk.isHole(offset, length),
    zero: (offset, length) => (disk.isHole(offset, length) ? 0 : disk.write(new Uint8Array(length), offset)),
    discard: (offset, length) => disk.discard(offset, length),
    startWriteback: () => undefined,
    flush: () => disk.flush(),
    close: () => undefined,
  };
}

/** A memory disk as a file of metadata blocks. */
export function memoryBlockFile(disk: MemoryDisk): BlockFile {
  const require = (status: number, what: string): void => {
    if (status !== 0) throw new MetadataError(errnoName(-status), `Cannot ${what} the metadata: as the test wants`);
  };
  return {
    readOnly: false,
    sizeBlocks: () => Math.floor(disk.sizeBytes / 4096),
    read: (block, into) => require(disk.read(into, 0, block * 4096, 4096), "read"),
    write: (first, blocks) => require(disk.write(Buffer.concat(blocks), first * 4096), "write"),
    flush: () => require(disk.flush(), "flush"),
    close: () => undefined,
  };
}

/** What was done to a journal. */
export type JournalEvent = { disk: "journal"; kind: "append" | "replace"; bytes: Uint8Array };

/** A journal in memory. */
export class MemoryJournalFile implements JournalFile {
  bytes = new Uint8Array(0);
  onEvent: ((event: JournalEvent) => void) | undefined;
  /** A negative errno makes the next operations fail. */
  failure = 0;

  contents(): Uint8Array {
    return this.bytes;
  }
  append(bytes: Uint8Array, length: number): number {
    if (this.failure !== 0) return this.failure;
    const event: JournalEvent = { disk: "journal", kind: "append", bytes: bytes.slice(0, length) };
    this.onEvent?.(event);
    this.apply(event);
    return 0;
  }
  replace(bytes: Uint8Array): number {
    if (this.failure !== 0) return this.failure;
    const event: JournalEvent = { disk: "journal", kind: "replace", bytes: bytes.slice() };
    this.onEvent?.(event);
    this.apply(event);
    return 0;
  }
  apply(event: JournalEvent): void {
    const kept = event.kind === "append" ? this.bytes : new Uint8Array(0);
    this.bytes = new Uint8Array(Buffer.concat([kept, event.bytes]));
  }
  remove(): void {
    this.bytes = new Uint8Array(0);
  }
  close(): void {
    // Nothing is open.
  }
}
