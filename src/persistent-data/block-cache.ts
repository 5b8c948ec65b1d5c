import type { BlockFile } from "./block-file.ts";
import type { BlockKind } from "./block-kind.ts";
import { seal, verifySeal } from "./block-seal.ts";
import { Block } from "./block.ts";
import { MetadataError } from "./metadata-error.ts";

/** Most blocks in one write: within the system's limit on vectors, and 1 MiB. */
const mostBlocksAWrite = 256;

/**
 * Blocks read and blocks to be written. Clean ones are let go beyond a limit, by the clock algorithm; dirty ones stay
 * until they are written. A clean block that somebody still holds after it was let go does no harm: nobody changes a
 * block that is not dirty.
 */
export class BlockCache {
  readonly file: BlockFile;
  readonly #limit: number;
  readonly #clean = new Map<number, Block>();
  readonly #dirty = new Map<number, { block: Block; kind: BlockKind }>();

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
    const block = new Block(number);
    this.file.read(number, block.bytes);
    verifySeal(block, kind);
    this.#keep(block);
    return block;
  }

  /** A zeroed block to be filled by the caller; it is dirty. */
  create(number: number, kind: BlockKind): Block {
    const block = new Block(number);
    block.dirty = true;
    this.#clean.delete(number);
    this.#dirty.set(number, { block, kind });
    return block;
  }

  /** Lets go of a block that is not in use any more, written or not. */
  forget(number: number): void {
    this.#clean.delete(number);
    const dirty = this.#dirty.get(number);
    if (dirty === undefined) return;
    dirty.block.dirty = false;
    this.#dirty.delete(number);
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
      if (!candidate.referenced) return;
      candidate.referenced = false;
      this.#clean.set(number, candidate);
    }
  }
}
