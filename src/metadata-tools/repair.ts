import type { BlockFile } from "../persistent-data/block-file.ts";
import { MetadataError } from "../persistent-data/metadata-error.ts";
import { noSpaceMap } from "../persistent-data/space-map.ts";
import { ThinError } from "../thin/errors.ts";
import type { Superblock } from "../thin/superblock.ts";
import { dump, type DumpOptions, type PoolDescription, type PoolSink } from "./dump.ts";
import { findRoots } from "./find-roots.ts";
import { PoolReader, readState } from "./pool-reader.ts";

/** Version of the format that a superblock that is lost is taken to have had. */
const usualVersion = 2;

/** What a repair found. */
export interface RepairReport {
  /** Whether the superblock and the trees that it names could be used, or trees had to be looked for. */
  readonly roots: "superblock" | "found";
  /** What is not in the repaired pool, in plain words. */
  readonly lost: readonly string[];
}

/**
 * Tells a sink all that can still be read of a pool's metadata. Where the superblock is lost, or the trees that it names do not tell all
 * devices, others are looked for in all of the device; see `findRoots`. Space maps are not read: a sink counts anew.
 *
 * @param options as for `dump`; the description of the pool must be whole where the superblock is lost
 * @throws ThinError EINVAL when the description lacks something, or there is nothing to be found
 */
export function repair(file: BlockFile, sink: PoolSink, options: DumpOptions): RepairReport {
  const { description = {} } = options;
  const named = namedState(file);
  const found = named === undefined || !hasAllDevices(file, named) ? findState(file, named, description) : undefined;
  const superblock = found ?? named;
  if (superblock === undefined) {
    throw new ThinError("EINVAL", "Cannot repair the metadata: no trees of a pool were found in it");
  }
  const lost: string[] = [];
  const reader = new PoolReader(file, superblock, (problem) => lost.push(problem));
  dump(reader, new LimitedSink(sink, lost), { ...options, onStray: (problem) => lost.push(problem) });
  return { roots: found === undefined ? "superblock" : "found", lost };
}

function namedState(file: BlockFile): Superblock | undefined {
  try {
    return readState(file, "committed");
  } catch (error) {
    if (error instanceof MetadataError) return undefined;
    throw error;
  }
}

/** Whether the tree of devices and that of their details can be read to their ends, and have the same devices. */
function hasAllDevices(file: BlockFile, superblock: Superblock): boolean {
  const damage: string[] = [];
  const reader = new PoolReader(file, superblock, (problem) => damage.push(problem));
  const roots = reader.mappingRoots();
  const details = reader.details();
  return damage.length === 0 && roots.size === details.size && [...roots.keys()].every((id) => details.has(id));
}

function findState(
  file: BlockFile,
  named: Superblock | undefined,
  { transactionId, dataBlockSize, dataBlocks }: Partial<PoolDescription>,
): Superblock | undefined {
  const found = findRoots(file);
  if (found === undefined) return undefined;
  const { mappingRoot, detailsRoot, time } = found;
  if (named !== undefined) return { ...named, heldRoot: 0, mappingRoot, detailsRoot, time: Math.max(time, named.time) };
  if (transactionId === undefined || dataBlockSize === undefined || dataBlocks === undefined) {
    throw new ThinError(
      "EINVAL",
      "Cannot repair the metadata: its superblock is lost. Say what it said: --transaction-id, --data-block-size, --nr-data-blocks.",
    );
  }
  return {
    needsCheck: false,
    version: usualVersion,
    time,
    transactionId,
    heldRoot: 0,
    dataSpaceMap: { ...noSpaceMap, blocks: dataBlocks },
    metadataSpaceMap: noSpaceMap,
    mappingRoot,
    detailsRoot,
    dataBlockSizeSectors: dataBlockSize,
    metadataBlocks: file.sizeBlocks(),
  };
}

/** Leaves out mappings to data that the pool does not have. */
class LimitedSink implements PoolSink {
  readonly #sink: PoolSink;
  readonly #lost: string[];
  #dataBlocks = 0;
  #device = 0;

  constructor(sink: PoolSink, lost: string[]) {
    this.#sink = sink;
    this.#lost = lost;
  }

  beginPool(pool: PoolDescription): void {
    this.#dataBlocks = pool.dataBlocks;
    this.#sink.beginPool(pool);
  }

  beginDevice(details: Parameters<PoolSink["beginDevice"]>[0]): void {
    this.#device = details.id;
    this.#sink.beginDevice(details);
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    const kept = Math.max(0, Math.min(length, this.#dataBlocks - dataBlock));
    if (kept > 0) this.#sink.map(virtualBlock, dataBlock, time, kept);
    if (kept === length) return;
    const beyond = `${length - kept} mappings from block ${virtualBlock + kept} on`;
    this.#lost.push(`thin device ${this.#device}: ${beyond} lead beyond the pool's ${this.#dataBlocks} data blocks`);
  }

  endDevice(): void {
    this.#sink.endDevice();
  }

  endPool(): void {
    this.#sink.endPool();
  }
}
