import { keyAt, valueAt } from "../persistent-data/btree-node.ts";
import type { BTree } from "../persistent-data/btree.ts";
import { mappedBlock } from "../thin/block-time.ts";
import type { MappingSource } from "./added-blocks.ts";
import { leavesOutside, nodesBelow } from "./tree-nodes.ts";

/** Neighbouring blocks that a device has and its origin has not, or has elsewhere ("mapped"); or that only the origin has ("unmapped"). */
export interface ChangedRun {
  kind: "mapped" | "unmapped";
  /** First block of the device. */
  begin: number;
  /** In blocks. */
  length: number;
}

/** A part of what differs between two devices. */
export interface ChangedBlocks {
  /** Ascending. */
  runs: ChangedRun[];
  /** The block to go on from; undefined when that was all. */
  next: number | undefined;
}

/** Of one answer: neither too long a message nor too long a walk, as an engine does nothing else meanwhile. */
const mostRuns = 8192;
const mostLeaves = 4096;

/**
 * In which blocks a device differs from another, as far as their mappings tell: what both have in the same place is the same. Without another, all
 * blocks that it has mapped. Of trees that share nodes only the others are read, so the cost is that of the difference.
 *
 * @param begin the first block of interest: the `next` of the part before
 * @throws ThinError ENODATA when there is no such device
 */
export function changedBlocks(
  metadata: MappingSource,
  id: number,
  originId: number | undefined,
  begin: number,
): ChangedBlocks {
  const { mappings } = metadata.trees;
  const root = metadata.mappingRootOf(id);
  const originRoot = originId === undefined ? undefined : metadata.mappingRootOf(originId);
  const shared = (tree: number | undefined) => (tree === undefined ? new Set<number>() : nodesBelow(mappings, tree));
  const device = new MappingCursor(mappings, root, shared(originRoot), begin);
  const origin = originRoot === undefined ? noMappings : new MappingCursor(mappings, originRoot, shared(root), begin);
  const runs = new RunList();
  while (device.key !== Infinity || origin.key !== Infinity) {
    const key = Math.min(device.key, origin.key);
    if (runs.list.length >= mostRuns || device.leaves + origin.leaves > mostLeaves)
      return { runs: runs.list, next: key };
    if (device.key !== key) runs.add("unmapped", key);
    else if (origin.key !== key || origin.block !== device.block) runs.add("mapped", key);
    if (device.key === key) device.next();
    if (origin.key === key) origin.next();
  }
  return { runs: runs.list, next: undefined };
}

/** The mappings of a tree, one after the other; behind the last lies one at infinity. */
interface Cursor {
  readonly key: number;
  readonly block: number;
  /** How many leaves were read. */
  readonly leaves: number;
  next(): void;
}

const noMappings: Cursor = { key: Infinity, block: 0, leaves: 0, next: () => undefined };

class MappingCursor implements Cursor {
  readonly #leaves: ReturnType<typeof leavesOutside>;
  #words: Uint32Array = new Uint32Array();
  #entry = 0;
  #last = 0;
  key = Infinity;
  block = 0;
  leaves = 0;

  constructor(tree: BTree, root: number, others: ReadonlySet<number>, begin: number) {
    this.#leaves = leavesOutside(tree, root, others, begin);
    this.next();
  }

  next(): void {
    if (this.#entry === this.#last) {
      const found = this.#leaves.next();
      if (found.done === true) {
        this.key = Infinity;
        return;
      }
      this.leaves++;
      ({ words: this.#words, first: this.#entry, last: this.#last } = found.value);
    }
    const at = valueAt(this.#words, this.#entry);
    this.key = keyAt(this.#words, this.#entry++);
    this.block = mappedBlock(this.#words[at], this.#words[at + 1]);
  }
}

class RunList {
  readonly list: ChangedRun[] = [];

  add(kind: ChangedRun["kind"], block: number): void {
    const run = this.list.at(-1);
    if (run?.kind === kind && run.begin + run.length === block) run.length++;
    else this.list.push({ kind, begin: block, length: 1 });
  }
}
