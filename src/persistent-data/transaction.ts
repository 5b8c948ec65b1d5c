import type { BlockCache } from "./block-cache.ts";
import type { BlockKind } from "./block-kind.ts";
import type { Block } from "./block.ts";
import { MetadataFullError } from "./metadata-error.ts";
import type { ReferenceCounts } from "./reference-counts.ts";

/** Dirty blocks beyond which they are written early: 16 MiB. Nothing committed refers to them, so that is safe. */
const mostDirtyBlocks = 4096;

/**
 * One change of the metadata, from commit to commit. Blocks that the last commit can reach are never written over: they
 * are shadowed, which is to say copied to a free block, at most once a transaction.
 */
export class Transaction {
  readonly cache: BlockCache;
  #counts: ReferenceCounts | undefined;
  /** Whether the block that `shadow` copied last has other references too, so that what it refers to has one more now. */
  wasShared = false;

  constructor(cache: BlockCache) {
    this.cache = cache;
  }

  /** The metadata space map's counts, which it sets once it is open: reading it needs a transaction already. */
  get counts(): ReferenceCounts {
    return this.#counts!;
  }
  set counts(counts: ReferenceCounts) {
    this.#counts = counts;
  }

  read(number: number, kind: BlockKind): Block {
    return this.cache.read(number, kind);
  }

  /** A zeroed block with one reference. @throws {MetadataFullError} */
  create(kind: BlockKind): Block {
    const number = this.counts.allocate();
    if (number < 0) {
      throw new MetadataFullError(
        "Cannot change the pool's metadata: its device is full. Grow it, or delete snapshots.",
      );
    }
    return this.cache.create(number, kind);
  }

  /** Whether a block may be changed in place: it is of this transaction, and has one owner. */
  isOwn(number: number): boolean {
    return this.cache.isDirty(number) && this.counts.get(number) === 1;
  }

  /**
   * The block, or a copy of it, to be changed in place. If it is another number than before, the caller's reference has
   * moved there; if `wasShared` is set, the caller must count one reference more to each block that it refers to.
   */
  shadow(number: number, kind: BlockKind): Block {
    const original = this.cache.read(number, kind);
    const shared = this.counts.get(number) > 1;
    this.wasShared = shared;
    if (original.dirty && !shared) return original;
    const copy = this.create(kind);
    copy.words.set(original.words);
    this.decrement(number);
    return copy;
  }

  increment(number: number): void {
    this.counts.increment(number);
  }

  /** Drops a reference and returns how many are left. */
  decrement(number: number): number {
    const left = this.counts.decrement(number);
    if (left === 0) this.cache.forget(number);
    return left;
  }

  /** To be called between two changes, when nobody holds a block: bounds the memory that a long transaction takes. */
  spill(): void {
    this.cache.reclaim();
    if (this.cache.dirtyBlocks <= mostDirtyBlocks) return;
    this.cache.writeDirty();
    this.cache.settle();
  }
}
