import type { BlockFile } from "../persistent-data/block-file.ts";
import { type BlockKind, superblockKind } from "../persistent-data/block-kind.ts";
import { verifySeal } from "../persistent-data/block-seal.ts";
import { Block, type BlockMemory } from "../persistent-data/block.ts";
import { btreeNodeKind, entryCount, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { readU64 } from "../persistent-data/u64.ts";
import { type DeviceDetails, deviceDetailsWords, readDetails } from "../thin/device-record.ts";
import { ThinError } from "../thin/errors.ts";
import { mappingWords, rootWords } from "../thin/metadata-trees.ts";
import { readSuperblock, type Superblock, superblockLocation, verifySuperblock } from "../thin/superblock.ts";
import { type KeyRange, walkTree } from "./tree-walk.ts";

/** Which of a pool's states to read: the committed one, the metadata snapshot, or the one that is at this very block. */
export type PoolState = "committed" | "snapshot" | number;

/** What to do about a node that cannot be read, in the place of which there should be these keys: throw, or go on with the next. */
export type OnDamage = (problem: string, keys: KeyRange, block: number) => void;

const refuseDamage: OnDamage = (problem) => {
  throw new MetadataError("EILSEQ", `Cannot read the metadata to its end: ${problem}. Run thin_check and thin_repair.`);
};

const noGrafts: ReadonlyMap<number, readonly number[]> = new Map();

/** A pool's metadata, read from end to end. What is not asked for is not read. */
export class PoolReader {
  readonly superblock: Superblock;
  readonly #file: BlockFile;
  readonly #onDamage: OnDamage;
  readonly #grafts: ReadonlyMap<number, readonly number[]>;

  /**
   * @param superblock of the state that is read: see `readState`
   * @param grafts by the node that cannot be read: those that were below it, found again, ascending by their keys
   */
  constructor(file: BlockFile, superblock: Superblock, onDamage: OnDamage = refuseDamage, grafts = noGrafts) {
    this.#file = file;
    this.superblock = superblock;
    this.#onDamage = onDamage;
    this.#grafts = grafts;
  }

  /** Another reader of the same, that goes on after damage and tells nobody. */
  withoutDamage(): PoolReader {
    return new PoolReader(this.#file, this.superblock, () => undefined, this.#grafts);
  }

  /** The roots of all devices' mapping trees, by ascending id. */
  mappingRoots(): Map<number, number> {
    const roots = new Map<number, number>();
    this.#walk(this.superblock.mappingRoot, rootWords, "tree of devices", (words) => {
      for (let i = 0, count = entryCount(words); i < count; i++)
        roots.set(keyAt(words, i), readU64(words, valueAt(words, i)));
    });
    return roots;
  }

  /** What the pool knows of its devices, by ascending id. */
  details(): Map<number, DeviceDetails> {
    const details = new Map<number, DeviceDetails>();
    this.#walk(this.superblock.detailsRoot, deviceDetailsWords, "device details", (words) => {
      for (let i = 0, count = entryCount(words); i < count; i++) {
        const id = keyAt(words, i);
        details.set(id, readDetails(words, valueAt(words, i), id));
      }
    });
    return details;
  }

  /**
   * Walks a mapping tree.
   * @param leaf told each leaf; its words are valid until it returns
   * @param pass whether to pass a node by, and all below it
   */
  walkMappings(
    root: number,
    what: string,
    leaf: (words: Uint32Array, block: number) => void,
    pass?: (block: number) => boolean,
  ): void {
    this.#walk(root, mappingWords, what, leaf, pass);
  }

  /** A node of a mapping tree, verified, in memory of its own or in the given one. @throws MetadataError */
  readNode(number: number, memory?: BlockMemory): Block {
    return this.#read(number, btreeNodeKind, memory);
  }

  #walk(
    root: number,
    valueWords: number,
    what: string,
    leaf: (words: Uint32Array, block: number) => void,
    pass?: (block: number) => boolean,
    // Nothing is put back below what was put back: that could go round in circles.
    grafts = this.#grafts,
  ): void {
    const damaged: OnDamage = (problem, keys, number) => {
      this.#onDamage(`${what}: ${problem}`, keys, number);
      for (const graft of grafts.get(number) ?? []) this.#walk(graft, valueWords, what, leaf, pass, noGrafts);
    };
    walkTree(root, valueWords, {
      enter: (number, keys, memory) => {
        if (pass?.(number) === true) return undefined;
        try {
          return this.#read(number, btreeNodeKind, memory);
        } catch (error) {
          if (!(error instanceof MetadataError)) throw error;
          damaged(error.message, keys, number);
          return undefined;
        }
      },
      leaf,
      problem: (number, fault, keys) => damaged(`btree node at metadata block ${number}: ${fault}`, keys, number),
    });
  }

  #read(number: number, kind: BlockKind, memory?: BlockMemory): Block {
    return readVerified(this.#file, number, kind, memory);
  }
}

/**
 * The superblock of one of a pool's states.
 *
 * @throws MetadataError when there is no usable superblock
 * @throws ThinError when there is no such metadata snapshot
 */
export function readState(file: BlockFile, state: PoolState): Superblock {
  const block = new Block(superblockLocation);
  file.read(superblockLocation, block.bytes);
  verifySuperblock(block, true);
  const pool = readSuperblock(block);
  if (state === "committed") return pool;
  const copy = readVerified(file, heldRootOf(pool, state), superblockKind);
  verifySuperblock(copy, true);
  return readSuperblock(copy);
}

function readVerified(file: BlockFile, number: number, kind: BlockKind, memory?: BlockMemory): Block {
  if (!(number < file.sizeBlocks())) {
    throw new MetadataError("EILSEQ", `metadata block ${number} lies beyond the device's end`, { block: number });
  }
  const block = new Block(number, memory);
  file.read(number, block.bytes);
  verifySeal(block, kind);
  return block;
}

function heldRootOf({ heldRoot }: Superblock, state: "snapshot" | number): number {
  if (heldRoot === 0) {
    throw new ThinError(
      "EINVAL",
      "Cannot read the metadata snapshot: there is none. Reserve one (reserve_metadata_snap).",
    );
  }
  if (state === "snapshot" || state === heldRoot) return heldRoot;
  throw new ThinError(
    "EINVAL",
    `Cannot read a metadata snapshot at block ${state}: the pool's is at block ${heldRoot}`,
  );
}
