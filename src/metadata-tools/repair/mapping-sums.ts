import { childAt, entryCount, keyAt } from "../../persistent-data/btree-node.ts";
import { blockRole, type NodeScan } from "./node-scan.ts";

/** What can be reached below a node of a tree of mappings. */
export interface MappingSum {
  readonly mappings: number;
  /** The latest time that a mapping bears, and how many bear it. */
  readonly time: number;
  readonly latest: number;
  /** The last key; -1 where there is none. */
  readonly lastKey: number;
  /** Levels below: 0 for a leaf, -1 where no leaf can be reached. */
  readonly height: number;
  /** Whether all below it can be read, and fits what is above it. */
  readonly complete: boolean;
}

const nothing: MappingSum = { mappings: 0, time: 0, latest: 0, lastKey: -1, height: -1, complete: false };
const underWay: MappingSum = { ...nothing };

/** Sums up trees of mappings, each node once: trees share most of them, in one commit and from commit to commit. */
export class MappingSums {
  readonly #scan: NodeScan;
  readonly #known = new Map<number, MappingSum>();

  constructor(scan: NodeScan) {
    this.#scan = scan;
  }

  /** What can be reached from a node. */
  of(number: number): MappingSum {
    const scan = this.#scan;
    if (scan.isMappingLeaf(number)) {
      return {
        mappings: scan.entries(number),
        time: scan.latestTime(number),
        latest: scan.atLatestTime(number),
        lastKey: scan.lastKey(number),
        height: 0,
        complete: true,
      };
    }
    if (scan.role(number) !== blockRole.internal) return nothing;
    const known = this.#known.get(number);
    // A circle, which no sound tree has, ends where it began.
    if (known !== undefined) return known === underWay ? nothing : known;
    this.#known.set(number, underWay);
    const sum = this.#sumInternal(number);
    this.#known.set(number, sum);
    return sum;
  }

  #sumInternal(number: number): MappingSum {
    const words = this.#scan.words(number);
    if (words === undefined) return nothing;
    const total = { mappings: 0, time: 0, latest: 0, lastKey: -1, height: -1, complete: true };
    for (let entry = 0, count = entryCount(words); entry < count; entry++) {
      const child = childAt(words, entry);
      const end = entry + 1 < count ? keyAt(words, entry + 1) : Infinity;
      const below = this.of(child);
      const fits =
        this.#scan.entries(child) > 0 && this.#scan.firstKey(child) >= keyAt(words, entry) && below.lastKey < end;
      if (!fits) {
        total.complete = false;
        continue;
      }
      if (!below.complete || (total.height >= 0 && below.height + 1 !== total.height)) total.complete = false;
      addSum(total, below);
    }
    return total;
  }
}

/** Adds up mappings, and of the latest time that any bears how many bear it. */
export function addSum(
  total: { mappings: number; time: number; latest: number; lastKey: number; height: number },
  below: MappingSum,
): void {
  total.mappings += below.mappings;
  if (below.time > total.time) {
    total.time = below.time;
    total.latest = below.latest;
  } else if (below.time === total.time) total.latest += below.latest;
  total.lastKey = Math.max(total.lastKey, below.lastKey);
  if (total.height < 0 && below.height >= 0) total.height = below.height + 1;
}
