import { indexHeaderWords } from "../persistent-data/bitmap-index.ts";
import { type BlockFile, openBlockFile } from "../persistent-data/block-file.ts";
import { type BlockKind, indexKind, superblockKind } from "../persistent-data/block-kind.ts";
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
import { Recount } from "./recount.ts";

/**
 * Checks a pool's committed metadata from end to end: checksums, the form of every tree, and the reference counts of
 * metadata and data blocks, recounted. Nothing is changed.
 * @param source the metadata device's path, or where its blocks are
 * @returns the problems found, in plain words; none if it is sound
 * @example
 * for (const problem of check("/var/lib/mica/devicemapper/devicemapper/metadata")) console.error(problem);
 */
export function check(source: string | BlockFile): string[] {
  if (typeof source !== "string") return checkBlocks(source);
  const file = openBlockFile(source, { readOnly: true });
  try {
    return checkBlocks(file);
  } finally {
    file.close();
  }
}

function checkBlocks(file: BlockFile): string[] {
  const read = (number: number): Block => {
    const block = new Block(number);
    file.read(number, block.bytes);
    return block;
  };
  const block = read(superblockLocation);
  const fault = superblockFault(block);
  if (fault !== undefined) return [`superblock: ${fault}`];
  const superblock = readSuperblock(block);
  const metadataBlocks = superblock.metadataSpaceMap.blocks;
  if (metadataBlocks > file.sizeBlocks()) {
    return [
      `superblock: it says that there are ${metadataBlocks} metadata blocks; the device has ${file.sizeBlocks()}`,
    ];
  }
  return new Check(superblock, (number, kind) => {
    const found = read(number);
    verifySeal(found, kind);
    return found;
  }).problems.list;
}

class Check {
  readonly problems = new ProblemList();
  readonly #recount: Recount;
  readonly #mappings: MappingRecount;

  constructor(superblock: Superblock, read: (block: number, kind: BlockKind) => Block) {
    if (superblock.needsCheck) this.problems.add("superblock: the needs_check flag is set");
    this.#recount = new Recount(superblock.metadataSpaceMap.blocks, read, this.problems);
    this.#mappings = new MappingRecount(this.#recount, superblock.dataSpaceMap.blocks);
    this.#recount.references[superblockLocation]++;
    this.#checkDevices(superblock);
    if (superblock.heldRoot !== 0) this.#checkSnapshot(superblock.heldRoot);
    this.#checkSpace(superblock);
  }

  #checkDevices({ mappingRoot, detailsRoot }: Superblock): void {
    const mapped = this.#mappedBlocks(mappingRoot);
    const detailed = new Set<number>();
    this.#recount.walk(detailsRoot, deviceDetailsWords, "device details", (id, words, at) => {
      detailed.add(id);
      const { mappedBlocks } = readDetails(words, at, id);
      const found = mapped.get(id);
      if (found === undefined) this.problems.add(`thin device ${id}: it has details but no mapping tree`);
      else if (found !== mappedBlocks && !this.#recount.incomplete) {
        this.problems.add(`thin device ${id}: its details say ${mappedBlocks} mapped blocks, ${found} found`);
      }
    });
    if (this.#recount.incomplete) return;
    for (const id of mapped.keys()) {
      if (!detailed.has(id)) this.problems.add(`thin device ${id}: it has a mapping tree but no details`);
    }
  }

  /** Walks the mapping trees of all devices; how many mappings each has. */
  #mappedBlocks(mappingRoot: number): Map<number, number> {
    const mapped = new Map<number, number>();
    this.#recount.walk(mappingRoot, rootWords, "devices", (id, words, at) => {
      mapped.set(id, this.#mappings.walk(readU64(words, at), `thin device ${id}`));
    });
    return mapped;
  }

  #checkSnapshot(heldRoot: number): void {
    const copy = this.#recount.enter(heldRoot, superblockKind, "metadata snapshot");
    if (copy === undefined) return;
    const fault = superblockFault(copy);
    if (fault !== undefined) {
      this.#recount.damage(`metadata snapshot: superblock at metadata block ${heldRoot}: ${fault}`);
      return;
    }
    // What it shares with the pool was visited there, so only its own nodes are.
    const { mappingRoot, detailsRoot } = readSuperblock(copy);
    this.#mappedBlocks(mappingRoot);
    this.#recount.walk(detailsRoot, deviceDetailsWords, "metadata snapshot, device details", () => undefined);
  }

  #checkSpace({ dataSpaceMap, metadataSpaceMap }: Superblock): void {
    const index = new Map<number, IndexEntry>();
    this.#recount.walk(dataSpaceMap.bitmapRoot, indexEntryWords, "data space map, index", (bitmap, words, at) => {
      index.set(bitmap, readIndexEntry(words, at));
    });
    const data = this.#recount.readCounts(dataSpaceMap, index, "data space map");
    const metadata = this.#metadataCounts(metadataSpaceMap);
    if (metadata === undefined || this.#recount.incomplete) {
      this.problems.add("the reference counts were not compared, because not everything could be visited");
      return;
    }
    this.#compare("data", data, this.#mappings.dataReferences, dataSpaceMap.allocated);
    this.#compare("metadata", metadata, this.#recount.references, metadataSpaceMap.allocated);
  }

  #metadataCounts(root: SpaceMapRoot): Uint32Array | undefined {
    const block = this.#recount.enter(root.bitmapRoot, indexKind, "metadata space map");
    if (block === undefined) return undefined;
    const index = new Map<number, IndexEntry>();
    for (let bitmap = 0; bitmap * entriesPerPage < root.blocks; bitmap++) {
      index.set(bitmap, readIndexEntry(block.words, indexHeaderWords + bitmap * indexEntryWords));
    }
    return this.#recount.readCounts(root, index, "metadata space map");
  }

  #compare(what: string, counts: Uint32Array, references: Uint32Array, allocated: number): void {
    let used = 0;
    for (let block = 0; block < counts.length; block++) {
      if (counts[block] > 0) used++;
      if (counts[block] === references[block]) continue;
      this.problems.add(
        `${what} space map: block ${block} has a reference count of ${counts[block]}; ${references[block]} references found`,
      );
    }
    if (used !== allocated) {
      this.problems.add(`${what} space map: it says that ${allocated} blocks are in use; its counts say ${used}`);
    }
  }
}
