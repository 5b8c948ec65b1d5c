// The format of packed metadata, as thin_metadata_pack 1.x writes it. Numbers are little-endian.
//
// A header of four u64: magic, version, bytes a block, blocks of the device. Then pieces: a u64 with the length of what follows, and that is a
// zlib stream. In it, for each block that holds metadata, a u64 with its number, and instructions that make its 4096 bytes.
//
// An instruction begins with a byte: what it is in the upper half, a small number in the lower. Most write the _base_, a u64 that is 0 at the
// beginning of a block, once they have changed it.

export const packMagic = 0xa537a0aa6309ef77n;
export const packVersion = 3n;
export const packHeaderBytes = 32;

/** Blocks in a piece. */
export const blocksPerPiece = 1024;

/** What an instruction is. "Width" is a number of bytes, 1, 2, 4 or 8, that a number after the byte takes. */
export const opcode = {
  /** The base is the number of that width. */
  set: 0,
  /** The small number is added to the base; taken from it. */
  add: 1,
  subtract: 3,
  /** The same with a number of that width. */
  addWide: 2,
  subtractWide: 4,
  /** The base is written so many times. */
  repeat: 5,
  /** The same, the small number and the next byte making one of 12 bits. */
  repeatLong: 6,
  /** The next instruction is done so many times. */
  times: 7,
  timesLong: 8,
  /** So many bytes follow, to be written as they are. */
  literal: 9,
  /** Their number follows, of that width. */
  literalWide: 10,
  /** Numbers that are two in one: instructions for as many (12 bits) upper parts follow, then for the lower 24 bits. */
  split: 11,
} as const;
