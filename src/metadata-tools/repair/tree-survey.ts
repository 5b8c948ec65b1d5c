import { childAt, entryCount, keyAt } from "../../persistent-data/btree-node.ts";
import { ReferenceTally } from "../reference-tally.ts";
import type { KeyRange } from "../tree-walk.ts";
import type { MappingSums } from "./mapping-sums.ts";
import { blockRole, type NodeScan } from "./node-scan.ts";

/** A node of a tree of mappings that cannot be read. */
export interface LostNode extends KeyRange {
  readonly block: number;
  /** Levels that were below it, as its neighbours have; 0: it was a leaf. Undefined where nothing tells. */
  readonly height: number | undefined;
}

const mostDepth = 64;

/** Walks the trees of a commit, each node once; counts the references to nodes, and finds where one is lost. */
export class TreeSurvey {
  readonly references: ReferenceTally;
  readonly lost = new Map<number, LostNode>();
  readonly #scan: NodeScan;
  readonly #sums: MappingSums;

  constructor(scan: NodeScan, sums: MappingSums) {
    this.#scan = scan;
    this.#sums = sums;
    this.references = new ReferenceTally(scan.blocks);
  }

  /** Walks a device's tree. */
  addMappings(root: number): void {
    this.#enter(root, { lowest: 0, end: Infinity }, undefined, 0);
  }

  /** Counts the references below a node, but not one to it. */
  addBelow(node: number): void {
    this.#descend(node, { lowest: 0, end: Infinity }, 0);
  }

  /** Counts the references in a tree of another kind. */
  addOther(root: number, depth = 0): void {
    if (!this.#isFirst(root) || this.#scan.role(root) !== blockRole.internal || depth > mostDepth) return;
    const words = this.#scan.words(root);
    for (let entry = 0; words !== undefined && entry < entryCount(words); entry++) {
      this.addOther(childAt(words, entry), depth + 1);
    }
  }

  /** The lost nodes below a node, in the order of their keys. */
  lostBelow(node: number, depth = 0): LostNode[] {
    const lost = this.lost.get(node);
    if (lost !== undefined) return [lost];
    if (this.#sums.of(node).complete || this.#scan.role(node) !== blockRole.internal || depth > mostDepth) return [];
    const words = this.#scan.words(node);
    const found: LostNode[] = [];
    for (let entry = 0; words !== undefined && entry < entryCount(words); entry++) {
      found.push(...this.lostBelow(childAt(words, entry), depth + 1));
    }
    return found;
  }

  #isFirst(block: number): boolean {
    return block < this.references.blocks && this.references.add(block) === 1;
  }

  #enter(node: number, keys: KeyRange, height: number | undefined, depth: number): void {
    const first = this.#isFirst(node);
    if (this.#fits(node, keys) && depth <= mostDepth) {
      if (first) this.#descend(node, keys, depth);
      return;
    }
    const known = this.lost.get(node);
    this.lost.set(node, {
      block: node,
      lowest: Math.max(keys.lowest, known?.lowest ?? 0),
      end: Math.min(keys.end, known?.end ?? Infinity),
      height: known?.height ?? height,
    });
  }

  /** Whether a node is one of mappings, with keys that its parent allows. An empty one is the root of a device without mappings. */
  #fits(node: number, { lowest, end }: KeyRange): boolean {
    const scan = this.#scan;
    if (!scan.isMappingLeaf(node) && scan.role(node) !== blockRole.internal) return false;
    return scan.entries(node) === 0 || (scan.firstKey(node) >= lowest && scan.lastKey(node) < end);
  }

  #descend(node: number, keys: KeyRange, depth: number): void {
    if (this.#scan.role(node) !== blockRole.internal) return;
    const words = this.#scan.words(node);
    if (words === undefined) return;
    const { height } = this.#sums.of(node);
    for (let entry = 0, count = entryCount(words); entry < count; entry++) {
      const end = entry + 1 < count ? keyAt(words, entry + 1) : keys.end;
      const range = { lowest: keyAt(words, entry), end };
      this.#enter(childAt(words, entry), range, height < 0 ? undefined : height - 1, depth + 1);
    }
  }
}
