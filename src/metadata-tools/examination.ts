import { indexHeaderWords } from "../persistent-data/bitmap-index.ts";
import type { BlockFile } from "../persistent-data/block-file.ts";
import { indexKind, superblockKind } from "../persistent-data/block-kind.ts";
import { verifySeal } from "../persistent-data/block-seal.ts";
import { Block } from "../persistent-data/block.ts";
import { entriesPerPage } from "../persistent-data/count-page.ts";
import { type IndexEntry, indexEntryWords, readIndexEntry } from "../persistent-data/index-entry.ts";
import type { SpaceMapRoot } from "../persistent-data/space-map-root.ts";
import { readU64 } from "../persistent-data/u64.ts";
import { deviceDetailsWords, readDetails } from "../thin/device-record.ts";
import { rootWords } from "../thin/metadata-trees.ts";
import { readSuperblock, type Superblock, superblockFault, superblockLocation } from "../thin/superblock.ts";
import { MappingRecount } from "./mapping-recount.ts";
import { ProblemList } from "./problem-list.ts";
import { type ReadBlock, Recount } from "./recount.ts";
import type { ReferenceTally } from "./reference-tally.ts";
import type { CountDifference, StoredCounts } from "./stored-counts.ts";

/** How far an examination goes. */
export interface ExaminationOptions {
  /** `superblock`: that alone. `devices`: the trees of devices and details, but no device's mappings. `all`: the default. */
  readonly extent?: "superblock" | "devices" | "all";
  /** Examines the metadata snapshot in place of the pool itself; it has no space maps. */
  readonly metadataSnapshot?: boolean;
  /** In place of what the superblock says. */
  readonly mappingRoot?: number;
  readonly detailsRoot?: number;
  /** Where problems are noted as they are found. */
  readonly problems?: ProblemList;
  /** Told what comes next. */
  readonly onStage?: (stage: string) => void;
  /** Told the superblock, once that is known to be sound. */
  readonly onSuperblock?: (superblock: Superblock) => void;
}

/** Blocks that have a higher count than there are references: space that is lost until it is corrected. */
export interface Leaks {
  readonly data: CountDifference[];
  readonly metadata: CountDifference[];
}

/** What an examination found. */
export interface Examination {
  readonly problems: ProblemList;
  /** Undefined where the superblock is damaged. */
  readonly superblock: Superblock | undefined;
  readonly leaks: Leaks;
  /** Whether there is anything wrong besides leaks. */
  readonly onlyLeaks: boolean;
}

/** Examines a pool's committed metadata; nothing is changed. @throws MetadataError when the superblock cannot be read at all */
export function examine(file: BlockFile, options: ExaminationOptions = {}): Examination {
  options.onStage?.("examining superblock");
  const { problems = new ProblemList() } = options;
  const nothing = { problems, superblock: undefined, leaks: { data: [], metadata: [] }, onlyLeaks: false };
  const pool = soundSuperblock(file, superblockLocation, problems);
  if (pool === undefined) return nothing;
  let superblock = pool;
  if (options.metadataSnapshot === true) {
    if (pool.heldRoot === 0) {
      problems.add("superblock: there is no metadata snapshot");
      return nothing;
    }
    const held = soundSuperblock(file, pool.heldRoot, problems);
    if (held === undefined) return nothing;
    // Its own space maps are wiped.
    superblock = { ...held, dataSpaceMap: pool.dataSpaceMap, metadataSpaceMap: pool.metadataSpaceMap };
  }
  if (options.mappingRoot !== undefined) superblock.mappingRoot = options.mappingRoot;
  if (options.detailsRoot !== undefined) superblock.detailsRoot = options.detailsRoot;
  options.onSuperblock?.(superblock);
  if (options.extent === "superblock") return { ...nothing, superblock };
  return new Examiner(file, superblock, problems, options).examination;
}

function soundSuperblock(file: BlockFile, location: number, problems: ProblemList): Superblock | undefined {
  const where = location === superblockLocation ? "superblock" : `metadata snapshot at metadata block ${location}`;
  const block = new Block(location);
  const fault = location < file.sizeBlocks() ? readAnd(file, block) : "it lies beyond the device's end";
  if (fault !== undefined) {
    problems.add(`${where}: ${fault}`);
    return undefined;
  }
  const superblock = readSuperblock(block);
  if (location !== superblockLocation) return superblock;
  const { metadataSpaceMap, dataSpaceMap } = superblock;
  if (metadataSpaceMap.blocks > file.sizeBlocks()) {
    problems.add(
      `superblock: it says that there are ${metadataSpaceMap.blocks} metadata blocks; the device has ${file.sizeBlocks()}`,
    );
    return undefined;
  }
  if (dataSpaceMap.blocks > metadataSpaceMap.blocks * entriesPerPage) {
    problems.add(`superblock: it says that there are ${dataSpaceMap.blocks} data blocks, more than could be counted`);
    return undefined;
  }
  return superblock;
}

function readAnd(file: BlockFile, block: Block): string | undefined {
  file.read(block.number, block.bytes);
  return superblockFault(block);
}

class Examiner {
  readonly examination: Examination;
  readonly #problems: ProblemList;
  readonly #leaks: Leaks = { data: [], metadata: [] };
  readonly #recount: Recount;
  readonly #mappings: MappingRecount;
  /** Faults that are no leaks. */
  #others = 0;

  constructor(file: BlockFile, superblock: Superblock, problems: ProblemList, options: ExaminationOptions) {
    const read: ReadBlock = (number, kind, memory) => {
      const block = new Block(number, memory);
      file.read(number, block.bytes);
      verifySeal(block, kind);
      return block;
    };
    this.#problems = problems;
    this.#recount = new Recount(superblock.metadataSpaceMap.blocks, read, problems);
    this.#mappings = new MappingRecount(this.#recount, superblock.dataSpaceMap.blocks);
    this.#recount.references.add(superblockLocation);
    const ofMappings = options.extent !== "devices";
    this.#examineDevices(superblock, ofMappings, options.onStage);
    if (ofMappings && options.metadataSnapshot !== true) {
      if (superblock.heldRoot !== 0) this.#examineSnapshot(superblock.heldRoot);
      options.onStage?.("checking space map counts");
      this.#examineSpace(superblock);
    }
    const onlyLeaks = !this.#recount.incomplete && this.#others === 0 && !this.#recount.underfull;
    this.examination = { problems, superblock, leaks: this.#leaks, onlyLeaks };
  }

  #examineDevices(
    { mappingRoot, detailsRoot }: Superblock,
    ofMappings: boolean,
    onStage: ((stage: string) => void) | undefined,
  ): void {
    onStage?.("examining devices tree");
    const expected = new Map<number, number>();
    this.#recount.walk(detailsRoot, deviceDetailsWords, "device details", (id, words, at) => {
      expected.set(id, readDetails(words, at, id).mappedBlocks);
    });
    onStage?.(ofMappings ? "examining mapping tree" : "examining top level of mapping tree");
    const mapped = this.#mappedBlocks(mappingRoot, ofMappings);
    for (const [id, blocks] of expected) {
      const found = mapped.get(id);
      if (found === undefined) this.#fault(`thin device ${id}: it has details but no mapping tree`);
      else if (ofMappings && found !== blocks && !this.#recount.incomplete) {
        this.#fault(`thin device ${id}: its details say ${blocks} mapped blocks, ${found} found`);
      }
    }
    if (this.#recount.incomplete) return;
    for (const id of mapped.keys()) {
      if (!expected.has(id)) this.#fault(`thin device ${id}: it has a mapping tree but no details`);
    }
  }

  /** Walks the tree of devices, and the mapping trees of all of them; how many mappings each has. */
  #mappedBlocks(mappingRoot: number, ofMappings: boolean): Map<number, number> {
    const mapped = new Map<number, number>();
    this.#recount.walk(mappingRoot, rootWords, "devices", (id, words, at) => {
      mapped.set(id, ofMappings ? this.#mappings.walk(readU64(words, at), `thin device ${id}`) : 0);
    });
    return mapped;
  }

  #examineSnapshot(heldRoot: number): void {
    const copy = this.#recount.enterAlone(heldRoot, superblockKind, "metadata snapshot");
    if (copy === undefined) return;
    const fault = superblockFault(copy);
    if (fault !== undefined) {
      this.#recount.damage(`metadata snapshot: superblock at metadata block ${heldRoot}: ${fault}`);
      return;
    }
    // What it shares with the pool was visited there, so only its own nodes are.
    const { mappingRoot, detailsRoot } = readSuperblock(copy);
    this.#mappedBlocks(mappingRoot, true);
    this.#recount.walk(detailsRoot, deviceDetailsWords, "metadata snapshot, device details", () => undefined);
  }

  #examineSpace({ dataSpaceMap, metadataSpaceMap }: Superblock): void {
    const index = new Map<number, IndexEntry>();
    this.#recount.walk(dataSpaceMap.bitmapRoot, indexEntryWords, "data space map, index", (bitmap, words, at) => {
      index.set(bitmap, readIndexEntry(words, at));
    });
    const data = this.#recount.readCounts(dataSpaceMap, index, "data space map");
    const metadata = this.#metadataCounts(metadataSpaceMap);
    if (metadata === undefined || this.#recount.incomplete) {
      this.#fault("the reference counts were not compared, because not everything could be visited");
      return;
    }
    this.#compare("data", data, this.#mappings.dataReferences, dataSpaceMap.allocated);
    this.#compare("metadata", metadata, this.#recount.references, metadataSpaceMap.allocated);
  }

  #metadataCounts(root: SpaceMapRoot): StoredCounts | undefined {
    const block = this.#recount.enterAlone(root.bitmapRoot, indexKind, "metadata space map");
    if (block === undefined) return undefined;
    const index = new Map<number, IndexEntry>();
    for (let bitmap = 0; bitmap * entriesPerPage < root.blocks; bitmap++) {
      index.set(bitmap, readIndexEntry(block.words, indexHeaderWords + bitmap * indexEntryWords));
    }
    return this.#recount.readCounts(root, index, "metadata space map");
  }

  #compare(what: "data" | "metadata", counts: StoredCounts, references: ReferenceTally, allocated: number): void {
    const differs = (difference: CountDifference): void => {
      const { block, stored, found } = difference;
      const problem = `${what} space map: block ${block} has a reference count of ${stored}; ${found} references found`;
      if (stored > found) {
        this.#leaks[what].push(difference);
        this.#problems.add(problem, "minor");
      } else this.#fault(problem);
    };
    const used = counts.compare(references, differs, (block) =>
      this.#fault(`${what} space map: the reference count of block ${block} is missing from the tree`),
    );
    if (used === allocated) return;
    this.#problems.add(
      `${what} space map: it says that ${allocated} blocks are in use; its counts say ${used}`,
      "note",
    );
  }

  #fault(problem: string): void {
    this.#others++;
    this.#problems.add(problem);
  }
}
