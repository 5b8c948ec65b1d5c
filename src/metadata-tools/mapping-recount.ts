import { entryCount, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import { mappingWords } from "../thin/metadata-trees.ts";
import type { Recount } from "./recount.ts";
import { ReferenceTally } from "./reference-tally.ts";
import { walkTree } from "./tree-walk.ts";

/** Walks mapping trees, nodes that they share only once, and counts what they refer to. */
export class MappingRecount {
  /** References found to each data block. */
  readonly dataReferences: ReferenceTally;
  readonly #recount: Recount;
  /** Mappings below each node visited. */
  readonly #below: Uint32Array;

  constructor(recount: Recount, dataBlocks: number) {
    this.#recount = recount;
    this.dataReferences = new ReferenceTally(dataBlocks);
    this.#below = new Uint32Array(recount.references.blocks);
  }

  /** Walks a device's tree and returns how many mappings it has. */
  walk(root: number, what: string): number {
    // Mappings seen below each node that the walk is in; the first is for the tree itself.
    const inside = [0];
    const add = (mappings: number): void => {
      inside[inside.length - 1] += mappings;
    };
    const visitor = this.#recount.visitor(what, mappingWords);
    walkTree(root, mappingWords, {
      ...visitor,
      enter: (block, keys, memory) => {
        const node = visitor.enter(block, keys, memory);
        if (node === undefined) add(this.#below[block] ?? 0);
        else inside.push(0);
        return node;
      },
      leaf: (words) => {
        add(entryCount(words));
        this.#countData(words, what);
      },
      leave: (block) => {
        const mappings = inside.pop()!;
        this.#below[block] = mappings;
        add(mappings);
      },
    });
    return inside[0];
  }

  #countData(leaf: Uint32Array, what: string): void {
    for (let at = valueAt(leaf, 0), end = valueAt(leaf, entryCount(leaf)); at < end; at += mappingWords) {
      const block = mappedBlock(leaf[at], leaf[at + 1]);
      if (block < this.dataReferences.blocks) this.dataReferences.add(block);
      else {
        this.#recount.damage(
          `${what}: data block ${block} lies beyond the pool's ${this.dataReferences.blocks} blocks`,
        );
      }
    }
  }
}
