import { MetadataError } from "../persistent-data/metadata-error.ts";
import type { DeviceDetails } from "../thin/device-record.ts";
import { MappingRuns } from "./mapping-runs.ts";
import { type PoolReader } from "./pool-reader.ts";
import { hasWholeLeaves } from "./whole-leaves.ts";

/** What a dump tells of the pool itself. */
export interface PoolDescription {
  readonly time: number;
  readonly transactionId: number;
  readonly flags: number;
  readonly version: number;
  /** Sectors of 512 bytes. */
  readonly dataBlockSize: number;
  readonly dataBlocks: number;
}

/** Where a dump goes: XML, text for a reader, or a new pool. */
export interface PoolSink {
  beginPool(pool: PoolDescription): void;
  beginDevice(details: DeviceDetails): void;
  /** `length` blocks from `virtualBlock` on are mapped to as many from `dataBlock` on. */
  map(virtualBlock: number, dataBlock: number, time: number, length: number): void;
  /**
   * In place of `map`, for all of a device, where a sink has this: a whole leaf of its mapping tree, in the order of their keys. Devices that share
   * leaves are told the same ones.
   *
   * @param block of the metadata that is read: it names the leaf
   * @param words valid until this returns
   */
  leaf?(block: number, words: Uint32Array): void;
  endDevice(): void;
  endPool(): void;
}

/** What to dump. */
export interface DumpOptions {
  /** Ids of the devices; all where there are none. */
  readonly devices?: ReadonlySet<number>;
  /** Leaves the mappings out. */
  readonly skipMappings?: boolean;
  /** In place of what the superblock says. */
  readonly description?: Partial<PoolDescription>;
}

/** A device to be told: what the pool knows of it, and the root of its mappings; undefined where it has none. */
export interface DumpedTree {
  readonly details: DeviceDetails;
  readonly root: number | undefined;
}

/** Tells all that a pool's metadata says, device after device. @throws MetadataError at the first damage, unless the reader goes on */
export function dump(reader: PoolReader, sink: PoolSink, options: DumpOptions = {}): void {
  const details = reader.details();
  const trees: DumpedTree[] = [];
  for (const [id, root] of reader.mappingRoots()) {
    if (!isWanted(id, options)) continue;
    const device = details.get(id);
    if (device === undefined) {
      throw new MetadataError(
        "EILSEQ",
        `Cannot dump the metadata: thin device ${id} has mappings but no details. Run thin_check and thin_repair.`,
      );
    }
    trees.push({ details: device, root });
  }
  dumpTrees(reader, trees, sink, options);
}

/** As `dump`, of devices that are given, by ascending id. */
export function dumpTrees(
  reader: PoolReader,
  trees: readonly DumpedTree[],
  sink: PoolSink,
  options: DumpOptions,
): void {
  const pool = { ...describe(reader), ...options.description };
  sink.beginPool(pool);
  const runs = new MappingRuns(
    (virtualBlock, dataBlock, time, length) => sink.map(virtualBlock, dataBlock, time, length),
    "same time",
  );
  for (const { details, root } of trees) {
    if (!isWanted(details.id, options)) continue;
    sink.beginDevice(details);
    if (options.skipMappings !== true && root !== undefined) {
      const what = `thin device ${details.id}`;
      if (sink.leaf !== undefined && hasWholeLeaves(reader, root, pool.dataBlocks)) {
        reader.walkMappings(root, what, (words, block) => sink.leaf?.(block, words));
      } else {
        reader.walkMappings(root, what, (words) => runs.add(words));
        runs.end();
      }
    }
    sink.endDevice();
  }
  sink.endPool();
}

function isWanted(id: number, { devices }: DumpOptions): boolean {
  return devices === undefined || devices.size === 0 || devices.has(id);
}

function describe({ superblock }: PoolReader): PoolDescription {
  return {
    time: superblock.time,
    transactionId: superblock.transactionId,
    flags: superblock.needsCheck ? 1 : 0,
    version: superblock.version,
    dataBlockSize: superblock.dataBlockSizeSectors,
    // 0 in a metadata snapshot, whose space maps are wiped.
    dataBlocks: superblock.dataSpaceMap.blocks,
  };
}
