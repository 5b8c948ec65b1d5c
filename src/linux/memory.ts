import { loadKoffi } from "./libc.ts";

const TWO_32 = 0x1_0000_0000;

/** Where memory begins. Only for arrays of more than 64 bytes, which lie outside the heap and are not moved. */
export function addressOf(memory: Uint8Array | Uint32Array | Int32Array): number {
  return Number(loadKoffi().address(memory));
}

/** Writes a number below 2^53 as the two words of a 64-bit one. */
export function setWide(words: Uint32Array, at: number, value: number): void {
  words[at] = value;
  words[at + 1] = value / TWO_32;
}
