import type { BlockFile } from "../persistent-data/block-file.ts";
import { Block } from "../persistent-data/block.ts";
import {
  btreeNodeKind,
  childAt,
  entryCount,
  isLeaf,
  keyAt,
  valueAt,
  valueWordsOf,
} from "../persistent-data/btree-node.ts";
import { sealFault } from "../persistent-data/block-seal.ts";
import { mappedTime } from "../thin/block-time.ts";
import { deviceDetailsWords, readDetails, type DeviceDetails } from "../thin/device-record.ts";
import { mappingWords, rootWords } from "../thin/metadata-trees.ts";

/** The two trees of a pool, found without its superblock. */
export interface FoundRoots {
  mappingRoot: number;
  detailsRoot: number;
  /** What the details tree says, by device id. */
  details: Map<number, DeviceDetails>;
  /** The latest time that a device or a mapping bears: the pool's own is not below it. */
  time: number;
  /** Devices of which a different number of blocks is mapped than their details say. */
  doubtful: number[];
}

const flagsWord = 1;
const mostDeviceId = 0xffffff;
const mostDepth = 16;

/**
 * Looks for a pool's trees in all blocks of its metadata, where the superblock or a root is damaged. As blocks are never changed in
 * place, roots of earlier commits lie about too: taken is the pair that has the devices that should be there, and in which
 * the mappings that can be reached are as many as the details say. Of several such, the one that lies furthest back is the
 * latest, as long as the kernel had not come to the end of the device and begun again: that cannot be known.
 *
 * @param expected ids of the devices that the pool should hold, where that is known
 * @returns undefined when there is no such pair
 */
export function findRoots(file: BlockFile, expected?: ReadonlySet<number>): FoundRoots | undefined {
  return new RootSearch(file).best(expected);
}

class RootSearch {
  readonly #file: BlockFile;
  readonly #blocks: number;
  /** Numbers of all blocks that are sound nodes. */
  readonly #nodes = new Set<number>();
  readonly #counts = new Map<number, { mapped: number; time: number }>();

  constructor(file: BlockFile) {
    this.#file = file;
    this.#blocks = file.sizeBlocks();
    for (let number = 1; number < this.#blocks; number++) {
      if (this.#read(number) !== undefined) this.#nodes.add(number);
    }
  }

  best(expected: ReadonlySet<number> | undefined): FoundRoots | undefined {
    const details = new Map<number, Map<number, DeviceDetails>>();
    const devices = new Map<number, Map<number, number>>();
    for (const number of this.#nodes) {
      const kind = this.#kind(number, 0);
      if (kind === "details") details.set(number, this.#details(number));
      else if (kind === "devices") devices.set(number, this.#devices(number));
    }
    let best: { found: FoundRoots; rank: number[] } | undefined;
    for (const [detailsRoot, known] of details) {
      for (const [mappingRoot, roots] of devices) {
        if (known.size !== roots.size || [...known.keys()].some((id) => !roots.has(id))) continue;
        const pair = this.#judge(mappingRoot, roots, detailsRoot, known);
        const wrongDevices = expected === undefined ? 0 : differences(expected, known);
        const rank = [-wrongDevices, -pair.doubtful.length, pair.time, mappingRoot, detailsRoot];
        if (best === undefined || ranksAbove(rank, best.rank)) best = { found: pair, rank };
      }
    }
    return best?.found.details.size === 0 ? undefined : best?.found;
  }

  #judge(
    mappingRoot: number,
    roots: ReadonlyMap<number, number>,
    detailsRoot: number,
    details: Map<number, DeviceDetails>,
  ): FoundRoots {
    let time = 0;
    const doubtful: number[] = [];
    for (const [id, root] of roots) {
      const count = this.#count(root, 0);
      const { mappedBlocks, snapshottedTime, creationTime } = details.get(id)!;
      time = Math.max(time, count.time, snapshottedTime, creationTime);
      if (count.mapped !== mappedBlocks) doubtful.push(id);
    }
    return { mappingRoot, detailsRoot, details, time, doubtful };
  }

  /** What a tree with this root would be; a tree of mappings is only ever part of another. */
  #kind(number: number, depth: number): "details" | "devices" | "mappings" | undefined {
    const words = this.#node(number);
    if (words === undefined || entryCount(words) === 0 || depth > mostDepth) return undefined;
    if (!isLeaf(words)) return this.#kind(childAt(words, 0), depth + 1);
    if (valueWordsOf(words) === deviceDetailsWords) return "details";
    if (valueWordsOf(words) !== rootWords) return undefined;
    for (let entry = 0; entry < entryCount(words); entry++) {
      // A mapping to any data block but the first is a larger number than that of any metadata block.
      const child = childAt(words, entry);
      if (keyAt(words, entry) > mostDeviceId || child === 0 || child >= this.#blocks) return "mappings";
    }
    return "devices";
  }

  #details(root: number): Map<number, DeviceDetails> {
    const found = new Map<number, DeviceDetails>();
    this.#leaves(root, deviceDetailsWords, 0, (words, entry) => {
      const id = keyAt(words, entry);
      found.set(id, readDetails(words, valueAt(words, entry), id));
    });
    return found;
  }

  #devices(root: number): Map<number, number> {
    const found = new Map<number, number>();
    this.#leaves(root, rootWords, 0, (words, entry) => found.set(keyAt(words, entry), childAt(words, entry)));
    return found;
  }

  #leaves(number: number, valueWords: number, depth: number, visit: (words: Uint32Array, entry: number) => void): void {
    const words = this.#node(number);
    if (words === undefined || depth > mostDepth) return;
    for (let entry = 0; entry < entryCount(words); entry++) {
      if (!isLeaf(words)) this.#leaves(childAt(words, entry), valueWords, depth + 1, visit);
      else if (valueWordsOf(words) === valueWords) visit(words, entry);
    }
  }

  /** How many mappings can be reached below a node. Trees share nodes, so each is counted once. */
  #count(number: number, depth: number): { mapped: number; time: number } {
    const known = this.#counts.get(number);
    if (known !== undefined) return known;
    const total = { mapped: 0, time: 0 };
    const words = this.#node(number);
    if (words === undefined || depth > mostDepth || valueWordsOf(words) !== mappingWords) return total;
    const count = entryCount(words);
    if (isLeaf(words)) {
      total.mapped = count;
      for (let entry = 0; entry < count; entry++) {
        total.time = Math.max(total.time, mappedTime(words[valueAt(words, entry)]));
      }
    } else {
      for (let entry = 0; entry < count; entry++) {
        const below = this.#count(childAt(words, entry), depth + 1);
        total.mapped += below.mapped;
        total.time = Math.max(total.time, below.time);
      }
    }
    this.#counts.set(number, total);
    return total;
  }

  #node(number: number): Uint32Array | undefined {
    return this.#nodes.has(number) ? this.#read(number) : undefined;
  }

  #read(number: number): Uint32Array | undefined {
    const block = new Block(number);
    this.#file.read(number, block.bytes);
    // Most blocks are no nodes: the flags tell it without a checksum.
    if (block.words[flagsWord] !== 1 && block.words[flagsWord] !== 2) return undefined;
    return sealFault(block, btreeNodeKind) === undefined ? block.words : undefined;
  }
}

/** How many ids are in one only of the two. */
function differences(expected: ReadonlySet<number>, known: ReadonlyMap<number, unknown>): number {
  const strange = [...known.keys()].filter((id) => !expected.has(id)).length;
  return strange + [...expected].filter((id) => !known.has(id)).length;
}

function ranksAbove(rank: readonly number[], other: readonly number[]): boolean {
  const at = rank.findIndex((value, index) => value !== other[index]);
  return at >= 0 && rank[at] > other[at];
}
