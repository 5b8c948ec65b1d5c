import { readU64, writeU64 } from "./u64.ts";

/** 32-bit words of an index entry. */
export const indexEntryWords = 4;

/** Where a bitmap is, and what it has free (`struct disk_index_entry`). */
export interface IndexEntry {
  /** Metadata block of the bitmap. */
  bitmap: number;
  /** Entries with count 0. As in the kernel those past the device's end, in the last bitmap, count as free. */
  free: number;
  /** Every entry below this is in use. */
  noneFreeBefore: number;
}

/** Reads the entry at the 32-bit word `at`. */
export function readIndexEntry(words: Uint32Array, at: number): IndexEntry {
  return { bitmap: readU64(words, at), free: words[at + 2], noneFreeBefore: words[at + 3] };
}

/** Writes the entry at the 32-bit word `at`. */
export function writeIndexEntry(words: Uint32Array, at: number, entry: IndexEntry): void {
  writeU64(words, at, entry.bitmap);
  words[at + 2] = entry.free;
  words[at + 3] = entry.noneFreeBefore;
}
