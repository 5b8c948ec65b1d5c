import { MetadataError } from "../persistent-data/metadata-error.ts";
import type { DeviceDetails } from "../thin/device-record.ts";
import { MappingRuns } from "./mapping-runs.ts";
import { type PoolReader } from "./pool-reader.ts";

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
  /** Told of a device that has mappings but no details, and is left out; without it that is an error. */
  readonly onStray?: (problem: string) => void;
}

/** Tells all that a pool's metadata says, device after device. @throws MetadataError at the first damage, unless the reader goes on */
export function dump(reader: PoolReader, sink: PoolSink, options: DumpOptions = {}): void {
  const { devices } = options;
  const details = reader.details();
  sink.beginPool({ ...describe(reader), ...options.description });
  const runs = new MappingRuns(
    (virtualBlock, dataBlock, time, length) => sink.map(virtualBlock, dataBlock, time, length),
    "same time",
  );
  for (const [id, root] of reader.mappingRoots()) {
    if (devices !== undefined && devices.size > 0 && !devices.has(id)) continue;
    const device = details.get(id);
    if (device === undefined) {
      refuseStray(id, options);
      continue;
    }
    sink.beginDevice(device);
    if (options.skipMappings !== true) {
      reader.walkMappings(root, `thin device ${id}`, (words) => runs.add(words));
      runs.end();
    }
    sink.endDevice();
  }
  sink.endPool();
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

function refuseStray(id: number, { onStray }: DumpOptions): void {
  const problem = `thin device ${id}: it has mappings but no details`;
  if (onStray === undefined) {
    throw new MetadataError("EILSEQ", `Cannot dump the metadata: ${problem}. Run thin_check and thin_repair.`);
  }
  onStray(problem);
}
