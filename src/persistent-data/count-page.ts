/** Reference counts in one bitmap block: 4080 bytes of two bits each. */
export const entriesPerPage = 16320;

/** 32-bit words of `CountPage.words`: four counts each, and so one byte of the bitmap. */
export const wordsPerPage = entriesPerPage / 4;

// Bytes of a page are counts up to 253; beyond that:
const freed = 254;
const large = 255;

/** Copies of pages that no transaction needs any more, for the next: garbage of this size is collected late. */
const spareCopies: Uint32Array[] = [];
const mostSpareCopies = 256;

/**
 * The reference counts of one bitmap's blocks, as a byte each. Counts that do not fit are in a map beside it. A block
 * freed in this transaction reads as 0 but has a byte of its own, so that it is not found when a free block is sought.
 */
export class CountPage {
  readonly words = new Uint32Array(wordsPerPage);
  readonly #bytes = new Uint8Array(this.words.buffer);
  readonly #large = new Map<number, number>();
  /** Blocks there are, fewer than `entriesPerPage` in the last page. */
  entries: number;
  /** Blocks whose count is not 0. */
  used = 0;
  /** Blocks freed in this transaction. */
  freed = 0;
  /** No block below this is free to take. */
  #lowestFree = 0;
  #lowestFreed = entriesPerPage;

  /** `words` as they are on the medium; undefined until something changes in this transaction. */
  written: Uint32Array | undefined;
  /** Entries changed while their count was too large for a byte. */
  readonly changedLarge = new Set<number>();
  /** The words changed since `written` was brought up to date: from the first to the last, none if that is lower. */
  firstChanged = wordsPerPage;
  lastChanged = -1;

  constructor(entries: number) {
    this.entries = entries;
  }

  /** Whether anything changed since `written` was brought up to date. */
  get changed(): boolean {
    return this.lastChanged >= 0;
  }

  /** Blocks that could be allocated now. */
  get usable(): number {
    return this.entries - this.used - this.freed;
  }

  get(entry: number): number {
    const byte = this.#bytes[entry];
    if (byte < freed) return byte;
    return byte === freed ? 0 : this.#large.get(entry)!;
  }

  /** Sets a count read from the medium. */
  load(entry: number, count: number): void {
    if (count > 0) this.used++;
    if (count < freed) this.#bytes[entry] = count;
    else {
      this.#bytes[entry] = large;
      this.#large.set(entry, count);
    }
  }

  /** Adds a reference and returns the new count. */
  increment(entry: number): number {
    this.#touch(entry);
    const byte = this.#bytes[entry];
    if (byte < freed - 1) {
      if (byte === 0) this.used++;
      return (this.#bytes[entry] = byte + 1);
    }
    if (byte === freed) {
      this.freed--;
      this.used++;
      return (this.#bytes[entry] = 1);
    }
    const count = (byte === large ? this.#large.get(entry)! : byte) + 1;
    this.#bytes[entry] = large;
    this.#large.set(entry, count);
    this.changedLarge.add(entry);
    return count;
  }

  /** Drops a reference and returns the new count. The count must not be 0. */
  decrement(entry: number): number {
    this.#touch(entry);
    const byte = this.#bytes[entry];
    if (byte === large) {
      const count = this.#large.get(entry)! - 1;
      this.changedLarge.add(entry);
      if (count < freed) {
        this.#large.delete(entry);
        this.#bytes[entry] = count;
      } else this.#large.set(entry, count);
      return count;
    }
    if (byte > 1) return (this.#bytes[entry] = byte - 1);
    this.#bytes[entry] = freed;
    this.used--;
    this.freed++;
    if (entry < this.#lowestFreed) this.#lowestFreed = entry;
    return 0;
  }

  /** Takes the lowest free block, or returns -1. */
  allocate(): number {
    if (this.usable <= 0) return -1;
    const entry = this.#bytes.indexOf(0, this.#lowestFree);
    this.#lowestFree = entry + 1;
    this.increment(entry);
    return entry;
  }

  /** Below this every block is in use, as the next transaction will see it. */
  get noneFreeBefore(): number {
    const free = this.#bytes.indexOf(0, this.#lowestFree);
    this.#lowestFree = free < 0 ? this.entries : Math.min(free, this.entries);
    return Math.min(this.#lowestFree, this.#lowestFreed);
  }

  /** Says that `written` is about to be brought up to date: what changes from here on is to be written again. */
  settle(): void {
    this.firstChanged = wordsPerPage;
    this.lastChanged = -1;
  }

  /** Makes the blocks freed in this transaction usable, and what is in memory the state to compare the next with. */
  endTransaction(): void {
    if (this.written !== undefined && spareCopies.length < mostSpareCopies) spareCopies.push(this.written);
    this.written = undefined;
    this.changedLarge.clear();
    this.settle();
    const bytes = this.#bytes;
    for (let entry = this.#lowestFreed, left = this.freed; left > 0; entry++) {
      if (bytes[entry] !== freed) continue;
      bytes[entry] = 0;
      left--;
    }
    this.#lowestFree = Math.min(this.#lowestFree, this.#lowestFreed);
    this.#lowestFreed = entriesPerPage;
    this.freed = 0;
  }

  #touch(entry: number): void {
    if (this.written === undefined) {
      this.written = spareCopies.pop() ?? new Uint32Array(wordsPerPage);
      this.written.set(this.words);
    }
    const word = entry >>> 2;
    if (word < this.firstChanged) this.firstChanged = word;
    if (word > this.lastChanged) this.lastChanged = word;
  }
}

/** Whether a byte of `CountPage.words` stands for a count of three or more, which the bitmap leaves to the tree. */
export function isLargeByte(byte: number): boolean {
  return byte > 2 && byte !== freed;
}

/** The two bits of a count byte as the medium has them: high bit first, so 1 is stored as 2 (see `bitmap-block.ts`). */
export function rawBits(byte: number): number {
  if (isLargeByte(byte)) return 3;
  return byte === 1 ? 2 : byte === 2 ? 1 : 0;
}
