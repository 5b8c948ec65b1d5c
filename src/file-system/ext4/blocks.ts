import type { BlockSource } from "../block-source.ts";
import { FileSystemDamage } from "../file-system-error.ts";

const CACHE_BYTES = 16 << 20;

/** Where a block's newest content is, if it is still in the journal. */
export interface JournaledBlock {
  /** The block of the journal that holds it. */
  readonly block: number;
  /** Its first four bytes were zeroed, for they look like those of the journal's own blocks. */
  readonly escaped: boolean;
}

/** What stands in the first four bytes of an escaped block. */
export const journalMagic = 0xc03b3998;

/** The blocks of a file system, as they are once its journal has been replayed; of the source, nothing is changed. */
export class Ext4Blocks {
  readonly blockBytes: number;
  /** How many there are. */
  readonly count: number;
  private readonly source: BlockSource;
  private journaled: ReadonlyMap<number, JournaledBlock> = new Map();
  private readonly cache = new Map<number, Buffer>();
  private readonly cacheLimit: number;

  constructor(source: BlockSource, blockBytes: number, count: number) {
    this.source = source;
    this.blockBytes = blockBytes;
    this.count = count;
    this.cacheLimit = CACHE_BYTES / blockBytes;
  }

  /** Takes these blocks from the journal from now on. */
  overlay(journaled: ReadonlyMap<number, JournaledBlock>): void {
    this.journaled = journaled;
    this.cache.clear();
  }

  /**
   * A block of the file system's own structures; it is cached, and must not be changed.
   *
   * @param of what refers to it, for the error of a number that is none
   */
  block(number: number, of: string): Buffer {
    const known = this.cache.get(number);
    if (known !== undefined) return known;
    this.check(number, 1, of);
    const bytes = Buffer.allocUnsafeSlow(this.blockBytes);
    this.readBlock(number, bytes, 0, this.blockBytes, 0);
    // A map iterates in order of insertion: the first is the oldest.
    if (this.cache.size >= this.cacheLimit) this.cache.delete(this.cache.keys().next().value!);
    this.cache.set(number, bytes);
    return bytes;
  }

  /**
   * Reads content that may span blocks.
   *
   * @param first the block that it begins in
   * @param skip bytes from the beginning of that block
   * @param of what it is the content of
   */
  read(buffer: Uint8Array, offset: number, length: number, first: number, skip: number, of: string): void {
    this.check(first, Math.ceil((skip + length) / this.blockBytes), of);
    if (this.journaled.size === 0) {
      this.source.read(buffer, offset, length, first * this.blockBytes + skip);
      return;
    }
    for (let done = 0; done < length;) {
      const at = skip + done;
      const inBlock = at % this.blockBytes;
      const bytes = Math.min(length - done, this.blockBytes - inBlock);
      this.readBlock(first + Math.floor(at / this.blockBytes), buffer, offset + done, bytes, inBlock);
      done += bytes;
    }
  }

  private readBlock(number: number, buffer: Uint8Array, offset: number, length: number, skip: number): void {
    const journaled = this.journaled.get(number);
    this.source.read(buffer, offset, length, (journaled?.block ?? number) * this.blockBytes + skip);
    if (journaled?.escaped !== true) return;
    for (let byte = skip; byte < Math.min(4, skip + length); byte++) {
      buffer[offset + byte - skip] = journalMagic >>> (24 - 8 * byte);
    }
  }

  private check(first: number, count: number, of: string): void {
    if (first + count <= this.count) return;
    throw new FileSystemDamage(of, `it refers to block ${first + count - 1}; the file system has ${this.count} blocks`);
  }
}
