/** Bytes of a metadata block. */
export const blockBytes = 4096;

/** Sectors of 512 bytes a metadata block. */
export const blockSectors = 8;

/** One metadata block in memory, seen as bytes and as 32-bit words. */
export class Block {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Everything after the checksum. */
  readonly payload: Uint8Array;
  /** To be written, which is also to say: a block of this transaction, that may be changed in place. */
  dirty = false;
  /** Used since the cache last looked for a block to let go. */
  referenced = true;

  constructor(number: number) {
    this.number = number;
    this.bytes = new Uint8Array(blockBytes);
    this.words = new Uint32Array(this.bytes.buffer);
    this.payload = this.bytes.subarray(4);
  }
}
