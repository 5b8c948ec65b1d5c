/** Bytes of a metadata block. */
export const blockBytes = 4096;

/** Sectors of 512 bytes a metadata block. */
export const blockSectors = 8;

/** The memory of one block, seen as bytes and as 32-bit words. */
export interface BlockMemory {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Everything after the checksum. */
  readonly payload: Uint8Array;
}

/** Memory for one block, all zero. */
export function blockMemory(): BlockMemory {
  const bytes = new Uint8Array(blockBytes);
  return { bytes, words: new Uint32Array(bytes.buffer), payload: bytes.subarray(4) };
}

/** One metadata block in memory. */
export class Block implements BlockMemory {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly payload: Uint8Array;
  /** To be written, which is also to say: a block of this transaction, that may be changed in place. */
  dirty = false;
  /** Used since the cache last looked for a block to let go. */
  referenced = true;

  constructor(number: number, memory = blockMemory()) {
    this.number = number;
    this.bytes = memory.bytes;
    this.words = memory.words;
    this.payload = memory.payload;
  }
}
