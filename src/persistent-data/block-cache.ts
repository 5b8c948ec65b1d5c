import type { BlockFile } from "./block-file.ts";
import type { BlockKind } from "./block-kind.ts";
import { seal, verifySeal } from "./block-seal.ts";
import { Block, type BlockMemory } from "./block.ts";
import { MetadataError } from "./metadata-error.ts";

/** Most blocks in one write: within the system's limit on vectors, and 1 MiB. */
const mostBlocksAWrite = 256;

/** Most memory of blocks let go that is kept for others: 4 MiB. The garbage collector sees such memory late. */
const mostSpareBlocks = 1024;

/**
 * Blocks read and blocks to be written. Clean ones are let go beyond a limit, by the clock algorithm; dirty ones stay
 * until they are written. A block that was let go may still be read by who holds it until `reclaim`.
 */
export class BlockCache {
  readonly file: BlockFile;
  readonly #limit: number;
  readonly #clean = new Map<number, Block>();
  readonly #dirty = new Map<number, { block: Block; kind: BlockKind }>();
  /** Blocks let go whose memory is not given to others yet. */
  #released: BlockMemory[] = [];
  readonly #spare: BlockMemory[] = [];

  constructor(file: BlockFile, limitBlocks = 2048) {
    this.file = file;
    this.#limit = limitBlocks;
  }

  get dirtyBlocks(): number {
    return this.#dirty.size;
  }

  /** Whether this is a block of the transaction under way. */
  isDirty(number: number): boolean {
    return this.#dirty.has(number);
  }

  /** The block, checked when it comes from the file. @throws {MetadataError} */
  read(number: number, kind: BlockKind): Block {
    const known = this.#clean.get(number) ?? this.#dirty.get(number)?.block;
    if (known !== undefined) {
      known.referenced = true;
      return known;
    }
    if (!(number < this.file.sizeBlocks())) {
      throw new MetadataError(
        "EILSEQ",
        `Cannot read ${kind.name} at metadata block ${number}: the device has only ${this.file.sizeBlocks()} blocks. Run thin_check and thin_repair.`,
        { block: number, kind: kind.name },
      );
    }
    const block = new Block(number, this.#spare.pop());
    this.file.read(number, block.bytes);
    verifySeal(block, kind);
    this.#keep(block);
    return block;
  }

  /** A zeroed block to be filled by the caller; it is dirty. */
  create(number: number, kind: BlockKind): Block {
    const spare = this.#spare.pop();
    spare?.bytes.fill(0);
    const block = new Block(number, spare);
    block.dirty = true;
    this.#clean.delete(number);
    this.#dirty.set(number, { block, kind });
    return block;
  }

  /** Lets go of a block that is not in use any more, written or not. */
  forget(number: number): void {
    const block = this.#clean.get(number) ?? this.#dirty.get(number)?.block;
    if (block === undefined) return;
    block.dirty = false;
    this.#clean.delete(number);
    this.#dirty.delete(number);
    this.#release(block);
  }

  /** To be called when nobody holds a block that was let go: its memory is used again. */
  reclaim(): void {
    for (const memory of this.#released) if (this.#spare.length < mostSpareBlocks) this.#spare.push(memory);
    this.#released = [];
  }

  /** Forgets everything that was not written, and everything read. */
  clear(): void {
    this.#clean.clear();
    for (const { block } of this.#dirty.values()) block.dirty = false;
    this.#dirty.clear();
  }

  /** Writes all dirty blocks, neighbours together. They stay dirty until `settle`, so that what fails can be tried again. */
  writeDirty(): void {
    const entries = [...this.#dirty.values()].sort((a, b) => a.block.number - b.block.number);
    let run: Uint8Array[] = [];
    let first = 0;
    for (const { block, kind } of entries) {
      seal(block, kind);
      if (run.length > 0 && (block.number !== first + run.length || run.length === mostBlocksAWrite)) {
        this.file.write(first, run);
        run = [];
      }
      if (run.length === 0) first = block.number;
      run.push(block.bytes);
    }
    if (run.length > 0) this.file.write(first, run);
  }

  /** Makes the blocks written clean: they are not to be changed in place any more. */
  settle(): void {
    const written = [...this.#dirty.values()];
    this.#dirty.clear();
    for (const { block } of written) {
      block.dirty = false;
      this.#keep(block);
    }
  }

  #keep(block: Block): void {
    this.#clean.set(block.number, block);
    if (this.#clean.size <= this.#limit) return;
    // A map iterates in order of insertion, so putting a block again moves it behind the clock's hand.
    for (const [number, candidate] of this.#clean) {
      this.#clean.delete(number);
      if (!candidate.referenced) return this.#release(candidate);
      candidate.referenced = false;
      this.#clean.set(number, candidate);
    }
  }

  #release(block: Block): void {
    if (this.#released.length < mostSpareBlocks) this.#released.push(block);
  }
}
