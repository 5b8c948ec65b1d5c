import { childAt, entryCount, isLeaf, valueAt } from "../persistent-data/btree-node.ts";
import { mappedBlock } from "../thin/block-time.ts";
import { mappingWords } from "../thin/metadata-trees.ts";
import type { MetadataView } from "../thin/metadata-view.ts";

/** In place of a device: more than one has it. */
const SHARED = 0;
/** Data blocks of which the owners are kept together. */
const PAGE = 1 << 16;

/**
 * How many data blocks each device has to itself, found without reference counts: every node of every mapping tree is read, those
 * that devices share once or twice. Takes four bytes a data block, where any near it is mapped.
 */
export function exclusiveBlocks(view: MetadataView): Map<number, number> {
  const ids = [...view.details()].map(({ id }) => id);
  const roots = new Map(ids.map((id) => [id, view.mappingRootOf(id)]));
  return exclusiveBlocksBelow(roots, (node) => view.trees.mappings.node(node).words);
}

/**
 * As `exclusiveBlocks`, of devices given by the roots of their mapping trees.
 * @param readNode gives a node's words, which are not read any more when it is called again
 */
export function exclusiveBlocksBelow(
  roots: ReadonlyMap<number, number>,
  readNode: (node: number) => Uint32Array,
): Map<number, number> {
  const walk = new OwnerWalk(readNode);
  // Owners are numbered from 1: a device's id may be 0.
  let owner = 0;
  for (const root of roots.values()) walk.visit(root, ++owner);
  const counts = walk.count(owner);
  return new Map([...roots.keys()].map((id, index) => [id, counts[index + 1]]));
}

class OwnerWalk {
  readonly #readNode: (node: number) => Uint32Array;
  /** Node → its owner, or SHARED. */
  readonly #nodes = new Map<number, number>();
  /** Page → for each data block its owner plus 1, 1 where it is shared, 0 where nobody has it. */
  readonly #pages = new Map<number, Uint32Array>();

  constructor(readNode: (node: number) => Uint32Array) {
    this.#readNode = readNode;
  }

  /** Gives a node and all below it an owner, or makes it shared where it has another. */
  visit(node: number, owner: number): void {
    const known = this.#nodes.get(node);
    if (known === SHARED || known === owner) return;
    const owned = known === undefined ? owner : SHARED;
    this.#nodes.set(node, owned);
    const words = this.#readNode(node);
    const count = entryCount(words);
    if (isLeaf(words)) {
      for (let at = valueAt(words, 0), end = valueAt(words, count); at < end; at += mappingWords) {
        this.#own(mappedBlock(words[at], words[at + 1]), owned);
      }
      return;
    }
    const children = Array.from({ length: count }, (_, entry) => childAt(words, entry));
    for (const child of children) this.visit(child, owned);
  }

  /** Blocks of each owner alone. */
  count(owners: number): Float64Array {
    const counts = new Float64Array(owners + 2);
    for (const page of this.#pages.values()) for (const mark of page) counts[mark]++;
    return counts.subarray(1);
  }

  #own(dataBlock: number, owner: number): void {
    const number = Math.floor(dataBlock / PAGE);
    let page = this.#pages.get(number);
    if (page === undefined) this.#pages.set(number, (page = new Uint32Array(PAGE)));
    const at = dataBlock % PAGE;
    page[at] = page[at] === 0 || page[at] === owner + 1 ? owner + 1 : SHARED + 1;
  }
}
