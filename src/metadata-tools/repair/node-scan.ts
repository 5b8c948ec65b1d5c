import type { BlockFile } from "../../persistent-data/block-file.ts";
import { bitmapKind, indexKind, superblockKind } from "../../persistent-data/block-kind.ts";
import { blockChecksum } from "../../persistent-data/block-seal.ts";
import { Block, blockMemory } from "../../persistent-data/block.ts";
import {
  btreeNodeKind,
  childAt,
  entryCount,
  isLeaf,
  keyAt,
  valueAt,
  valueWordsOf,
} from "../../persistent-data/btree-node.ts";
import { indexEntryWords } from "../../persistent-data/index-entry.ts";
import { MetadataError } from "../../persistent-data/metadata-error.ts";
import { readU64 } from "../../persistent-data/u64.ts";
import { mappedTime } from "../../thin/block-time.ts";
import { deviceDetailsWords } from "../../thin/device-record.ts";
import { mappingWords, refCountWords } from "../../thin/metadata-trees.ts";
import { nodeFault } from "../tree-walk.ts";

/** What a metadata block is, by its own account; a sound one. */
export const blockRole = {
  unsound: 0,
  internal: 1,
  mappings: 2,
  details: 3,
  indexEntries: 4,
  largeCounts: 5,
  bitmap: 6,
  index: 7,
  superblock: 8,
  /** A leaf of 8-byte values that could all be blocks: roots of devices' trees, or a few mappings to the first data block. */
  roots: 9,
} as const;

export type BlockRole = (typeof blockRole)[keyof typeof blockRole];

const leafRoles = new Map<number, BlockRole>([
  [mappingWords, blockRole.mappings],
  [deviceDetailsWords, blockRole.details],
  [indexEntryWords, blockRole.indexEntries],
  [refCountWords, blockRole.largeCounts],
]);

/** Thin device ids have 24 bits. */
export const largestDeviceId = 0xffffff;
const numberWord = 2;
const everyKey = { lowest: 0, end: Infinity };

/**
 * All blocks of a metadata device, read once, whoever refers to them. As blocks are never changed in place, those of earlier commits lie
 * about among those of the last.
 */
export class NodeScan {
  readonly blocks: number;
  readonly #file: BlockFile;
  readonly #roles: Uint8Array;
  readonly #firstKeys: Float64Array;
  readonly #lastKeys: Float64Array;
  /** Of leaves of mappings: how many there are, the latest time, and how many bear that. */
  readonly #counts: Uint16Array;
  readonly #times: Uint32Array;
  readonly #latest: Uint16Array;

  constructor(file: BlockFile) {
    this.#file = file;
    this.blocks = file.sizeBlocks();
    this.#roles = new Uint8Array(this.blocks);
    this.#firstKeys = new Float64Array(this.blocks);
    this.#lastKeys = new Float64Array(this.blocks).fill(-1);
    this.#counts = new Uint16Array(this.blocks);
    this.#times = new Uint32Array(this.blocks);
    this.#latest = new Uint16Array(this.blocks);
    const memory = blockMemory();
    for (let number = 0; number < this.blocks; number++) this.#examine(new Block(number, memory));
  }

  /** What is at a block; `unsound` also beyond the device's end. */
  role(number: number): BlockRole {
    return (this.#roles[number] ?? blockRole.unsound) as BlockRole;
  }

  /** Whether a block is a leaf of mappings, or could be. */
  isMappingLeaf(number: number): boolean {
    const role = this.role(number);
    return role === blockRole.mappings || role === blockRole.roots;
  }

  /** A node's first and last key; the last is -1 in an empty one. */
  firstKey(number: number): number {
    return this.#firstKeys[number];
  }
  lastKey(number: number): number {
    return this.#lastKeys[number];
  }

  /** Entries of a node. */
  entries(number: number): number {
    return this.#counts[number];
  }

  /** Of a leaf: the latest time that a mapping bears, and how many bear it. */
  latestTime(number: number): number {
    return this.#times[number];
  }
  atLatestTime(number: number): number {
    return this.#latest[number];
  }

  /** Blocks of a role, ascending. */
  *of(role: BlockRole): IterableIterator<number> {
    for (let number = this.#roles.indexOf(role); number >= 0; number = this.#roles.indexOf(role, number + 1)) {
      yield number;
    }
  }

  /** A sound block's words, in memory of their own. Undefined where the device cannot be read again. */
  words(number: number): Uint32Array | undefined {
    return this.block(number)?.words;
  }

  /** As `words`, the block. */
  block(number: number): Block | undefined {
    if (this.role(number) === blockRole.unsound) return undefined;
    const block = new Block(number);
    return this.#read(block) ? block : undefined;
  }

  #read(block: Block): boolean {
    try {
      this.#file.read(block.number, block.bytes);
      return true;
    } catch (error) {
      if (error instanceof MetadataError) return false;
      throw error;
    }
  }

  #examine(block: Block): void {
    const { number, words } = block;
    // A block that is not in use costs no checksum.
    if (!this.#read(block) || readU64(words, numberWord) !== number) return;
    const checksum = words[0];
    if (checksum === blockChecksum(block, btreeNodeKind)) this.#examineNode(number, words);
    else if (checksum === blockChecksum(block, bitmapKind)) this.#roles[number] = blockRole.bitmap;
    else if (checksum === blockChecksum(block, indexKind)) this.#roles[number] = blockRole.index;
    else if (checksum === blockChecksum(block, superblockKind)) this.#roles[number] = blockRole.superblock;
  }

  #leafRole(words: Uint32Array): BlockRole | undefined {
    const role = leafRoles.get(valueWordsOf(words));
    const count = entryCount(words);
    if (role !== blockRole.mappings || count === 0 || keyAt(words, count - 1) > largestDeviceId) return role;
    for (let entry = 0; entry < count; entry++) {
      // A mapping to any data block but the first is a larger number than that of any metadata block.
      const child = childAt(words, entry);
      if (child === 0 || child >= this.blocks) return role;
    }
    return blockRole.roots;
  }

  #examineNode(number: number, words: Uint32Array): void {
    const leaf = isLeaf(words);
    if (btreeNodeKind.fault?.(words) !== undefined) return;
    const role = leaf ? this.#leafRole(words) : blockRole.internal;
    if (role === undefined) return;
    if (nodeFault(words, valueWordsOf(words), everyKey) !== undefined) return;
    this.#roles[number] = role;
    const count = entryCount(words);
    this.#counts[number] = count;
    if (count === 0) return;
    this.#firstKeys[number] = keyAt(words, 0);
    this.#lastKeys[number] = keyAt(words, count - 1);
    if (!this.isMappingLeaf(number)) return;
    let latest = 0;
    let bearing = 0;
    for (let at = valueAt(words, 0), end = valueAt(words, count); at < end; at += mappingWords) {
      const time = mappedTime(words[at]);
      if (time > latest) {
        latest = time;
        bearing = 1;
      } else if (time === latest) bearing++;
    }
    this.#times[number] = latest;
    this.#latest[number] = bearing;
  }
}
