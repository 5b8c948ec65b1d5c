import { CountPage, rawBits, wordsPerPage } from "./count-page.ts";

/** Bytes before the bits of a bitmap block (`struct disk_bitmap_header`). */
export const bitmapHeaderBytes = 16;

/** Bits of an entry whose count is in the tree of large counts. */
export const seeTree = 3;

const rawOfByte = Uint8Array.from({ length: 256 }, (_, byte) => rawBits(byte));

/** Counts that the two bits of an entry stand for; 3: see the tree. */
const countOfRaw = [0, 2, 1, 3];

/** The count of an entry, as the bitmap has it: 3 means 3 or more, and that the tree has it. */
export function bitmapCount(bitmap: Uint8Array, entry: number): number {
  return countOfRaw[(bitmap[bitmapHeaderBytes + (entry >>> 2)] >>> (2 * (entry & 3))) & 3];
}

/** The bitmap's byte for four counts, a byte each in `word`. */
export function packCounts(word: number): number {
  return (
    rawOfByte[word & 255] |
    (rawOfByte[(word >>> 8) & 255] << 2) |
    (rawOfByte[(word >>> 16) & 255] << 4) |
    (rawOfByte[word >>> 24] << 6)
  );
}

/**
 * Reads a bitmap into a page of counts.
 * @param largeCount gives the count of an entry that the bitmap leaves to the tree
 */
export function unpackBitmap(bitmap: Uint8Array, entries: number, largeCount: (entry: number) => number): CountPage {
  const page = new CountPage(entries);
  for (let byte = 0; byte < wordsPerPage; byte++) {
    const bits = bitmap[bitmapHeaderBytes + byte];
    if (bits === 0) continue;
    for (let entry = 4 * byte; entry < 4 * byte + 4 && entry < entries; entry++) {
      const count = bitmapCount(bitmap, entry);
      if (count > 0) page.load(entry, count < seeTree ? count : largeCount(entry));
    }
  }
  return page;
}
