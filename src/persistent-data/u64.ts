import { endianness } from "node:os";

const high = 2 ** 32;

if (endianness() !== "LE") {
  throw new Error(
    "Cannot use thin metadata: this machine is big-endian, and blocks are viewed in place as little-endian words",
  );
}

/**
 * The little-endian u64 at the 32-bit word `index`. Exact below 2^53; anything larger is damage, and the caller's range
 * check catches it.
 */
export function readU64(words: Uint32Array, index: number): number {
  return words[index + 1] * high + words[index];
}

/** Stores a number below 2^53 as a little-endian u64 at the 32-bit word `index`. */
export function writeU64(words: Uint32Array, index: number, value: number): void {
  words[index] = value;
  words[index + 1] = value / high;
}
