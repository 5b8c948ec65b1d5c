// A mapping is a u64: data block << 24 | time. As two 32-bit words: the low one has the time and 8 bits of the block.

const timeMask = 0xffffff;

/** The largest time that fits a mapping. */
export const largestTime = timeMask;

/** The data block of a mapping's two words. */
export function mappedBlock(low: number, high: number): number {
  return high * 256 + (low >>> 24);
}

/** The time of a mapping's low word. */
export function mappedTime(low: number): number {
  return low & timeMask;
}

/** The low word of a mapping. */
export function lowWord(dataBlock: number, time: number): number {
  return (((dataBlock & 0xff) << 24) | time) >>> 0;
}

/** The high word of a mapping. */
export function highWord(dataBlock: number): number {
  return Math.floor(dataBlock / 256);
}
