import { type BlockKind, bitmapKind } from "../persistent-data/block-kind.ts";
import type { Block, BlockMemory } from "../persistent-data/block.ts";
import { btreeNodeKind, entryCount, keyAt, valueAt } from "../persistent-data/btree-node.ts";
import { entriesPerPage } from "../persistent-data/count-page.ts";
import type { IndexEntry } from "../persistent-data/index-entry.ts";
import type { SpaceMapRoot } from "../persistent-data/space-map-root.ts";
import { refCountWords } from "../thin/metadata-trees.ts";
import type { ProblemList } from "./problem-list.ts";
import { ReferenceTally } from "./reference-tally.ts";
import { StoredCounts } from "./stored-counts.ts";
import { type KeyRange, type TreeVisitor, walkTree } from "./tree-walk.ts";
import { VerifiedRanges } from "./verified-ranges.ts";

/** Reads and verifies a metadata block; into `memory`, where that is given. */
export type ReadBlock = (block: number, kind: BlockKind, memory?: BlockMemory) => Block;

/** Reads metadata blocks, counts the references met on the way, and tells what cannot be read. */
export class Recount {
  /** References found to each metadata block. */
  readonly references: ReferenceTally;
  readonly #read: ReadBlock;
  readonly #problems: ProblemList;
  readonly #verified: VerifiedRanges;
  /** Whether anything could not be visited, so that what lies below it was not counted. */
  incomplete = false;
  /** Whether a node has fewer entries than it must. */
  underfull = false;

  constructor(blocks: number, read: ReadBlock, problems: ProblemList) {
    this.references = new ReferenceTally(blocks);
    this.#read = read;
    this.#problems = problems;
    this.#verified = new VerifiedRanges(blocks);
  }

  /** Counts a reference. The block if this is the first to it, and it can be read. */
  enter(block: number, kind: BlockKind, what: string, memory?: BlockMemory): Block | undefined {
    if (!(block < this.references.blocks)) {
      this.damage(`${what}: metadata block ${block} lies beyond the device's ${this.references.blocks} blocks`);
      return undefined;
    }
    if (this.references.add(block) > 1) return undefined;
    try {
      return this.#read(block, kind, memory);
    } catch (error) {
      this.damage(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** As `enter`, for what nothing else may refer to. */
  enterAlone(block: number, kind: BlockKind, what: string): Block | undefined {
    const found = this.enter(block, kind, what);
    if (found === undefined && this.references.get(block) > 1) {
      this.damage(`${what}: ${kind.name} at metadata block ${block}: something else is there`);
    }
    return found;
  }

  /** Tells of something that could not be visited. */
  damage(problem: string): void {
    this.incomplete = true;
    this.#problems.add(problem);
  }

  /** A visitor that counts references and tells faults; `leaf` is added by who walks. */
  visitor(what: string, valueWords: number): Omit<TreeVisitor, "leaf"> {
    return {
      enter: (block, keys, memory) => {
        const node = this.enter(block, btreeNodeKind, what, memory);
        if (node !== undefined) this.#verified.begin(block, keys);
        else if (block < this.references.blocks) this.#verifyAgain(block, keys, valueWords, what);
        return node;
      },
      problem: (block, fault) => this.#damagedNode(what, block, fault),
      underfull: (block, fault) => {
        this.underfull = true;
        this.#problems.add(`${what}: btree node at metadata block ${block}: ${fault}`, "minor");
      },
    };
  }

  /** Looks whether what is below a node that was met before has the keys that this parent says, without counting anything again. */
  #verifyAgain(block: number, keys: KeyRange, valueWords: number, what: string): void {
    if (this.#verified.has(block, keys)) return;
    const visitor: TreeVisitor = {
      enter: (number, range, memory) => {
        if (number !== block && this.#verified.has(number, range)) return undefined;
        try {
          return this.#read(number, btreeNodeKind, memory);
        } catch {
          // Was told when it was met first.
          return undefined;
        }
      },
      leaf: () => undefined,
      problem: (number, fault) => this.#damagedNode(what, number, fault),
    };
    walkTree(block, valueWords, visitor, keys);
  }

  #damagedNode(what: string, block: number, fault: string): void {
    this.damage(`${what}: btree node at metadata block ${block}: ${fault}`);
  }

  /** Walks a tree and tells each entry: key, words, and the word of its value. */
  walk(
    root: number,
    valueWords: number,
    what: string,
    visit: (key: number, words: Uint32Array, at: number) => void,
  ): void {
    walkTree(root, valueWords, {
      ...this.visitor(what, valueWords),
      leaf(words) {
        for (let i = 0, count = entryCount(words); i < count; i++) visit(keyAt(words, i), words, valueAt(words, i));
      },
    });
  }

  /** Reads the counts that a space map has, and counts the references to its own blocks. */
  readCounts(root: SpaceMapRoot, index: Map<number, IndexEntry>, what: string): StoredCounts {
    const counts = new StoredCounts(root.blocks);
    this.walk(root.refCountRoot, refCountWords, `${what}, large reference counts`, (block, words, at) => {
      counts.addLarge(block, words[at]);
    });
    for (let bitmap = 0; bitmap * entriesPerPage < root.blocks; bitmap++) {
      const where = index.get(bitmap);
      if (where === undefined) {
        this.damage(`${what}: bitmap ${bitmap} is missing from the index`);
        continue;
      }
      const block = this.enterAlone(where.bitmap, bitmapKind, what);
      if (block !== undefined) counts.addBitmap(bitmap, block.bytes);
    }
    return counts;
  }
}
