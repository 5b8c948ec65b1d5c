/** A byte that stands for a count kept elsewhere. */
const large = 255;

/** How many references were found to each block: a byte a block, for most have few. */
export class ReferenceTally {
  readonly #bytes: Uint8Array;
  readonly #large = new Map<number, number>();

  constructor(blocks: number) {
    this.#bytes = new Uint8Array(blocks);
  }

  get blocks(): number {
    return this.#bytes.length;
  }

  /** Counts a reference to a block that there is, and returns how many there are now. */
  add(block: number): number {
    const byte = this.#bytes[block];
    if (byte < large - 1) return (this.#bytes[block] = byte + 1);
    const count = (byte === large ? this.#large.get(block)! : byte) + 1;
    this.#bytes[block] = large;
    this.#large.set(block, count);
    return count;
  }

  get(block: number): number {
    const byte = this.#bytes[block];
    return byte < large ? byte : this.#large.get(block)!;
  }
}
