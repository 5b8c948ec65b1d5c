import { ThinError } from "./errors.ts";

/** Smallest data block, in sectors: 64 KiB (dm-thin.c, DATA_DEV_BLOCK_SIZE_MIN_SECTORS). */
export const minimumBlockSectors = 128;
/** Largest data block, in sectors: 1 GiB (dm-thin.c, DATA_DEV_BLOCK_SIZE_MAX_SECTORS). */
export const maximumBlockSectors = 2 * 1024 * 1024;

/** A thin pool's table, as `dmsetup create` takes it. */
export interface ThinPoolTable {
  /** Length of the pool: what it uses of the data device, in sectors. */
  readonly sectors: number;
  readonly metadataDevice: string;
  readonly dataDevice: string;
  /** Sectors a data block: a multiple of 128 from 128 to 2,097,152. */
  readonly blockSizeSectors: number;
  /** Free data blocks at which an event is raised. */
  readonly lowWaterMarkBlocks: number;
  readonly skipBlockZeroing: boolean;
  readonly ignoreDiscard: boolean;
  readonly noDiscardPassdown: boolean;
  readonly readOnly: boolean;
  readonly errorIfNoSpace: boolean;
}

/** Feature arguments in the order in which the kernel prints them. */
const features = [
  ["skip_block_zeroing", "skipBlockZeroing"],
  ["ignore_discard", "ignoreDiscard"],
  ["no_discard_passdown", "noDiscardPassdown"],
  ["read_only", "readOnly"],
  ["error_if_no_space", "errorIfNoSpace"],
] as const;

/**
 * Reads `START SECTORS thin-pool METADATA DATA BLOCKSECTORS LOWWATERBLOCKS [N FEATURE…]`.
 *
 * Source: Documentation/admin-guide/device-mapper/thin-provisioning.rst.
 *
 * @throws ThinError EINVAL that names the field at fault
 */
export function parsePoolTable(line: string): ThinPoolTable {
  const words: (string | undefined)[] = line.trim().split(/\s+/);
  const [start, sectors, target, metadataDevice, dataDevice, block, lowWater, count] = words;
  const names = words.slice(8);
  if (target !== "thin-pool") throw refused(line, `its target is '${target ?? ""}', not thin-pool`);
  if (start !== "0") throw refused(line, "it does not start at sector 0");
  if (metadataDevice === undefined || dataDevice === undefined || block === undefined || lowWater === undefined) {
    throw refused(line, "it wants METADATA DATA BLOCKSECTORS LOWWATERBLOCKS");
  }
  const blockSizeSectors = naturalNumber(block);
  if (blockSizeSectors === undefined) throw refused(line, `block size '${block}' is not a number of sectors`);
  requireBlockSize(blockSizeSectors);
  const length = naturalNumber(sectors ?? "");
  if (length === undefined || length === 0) throw refused(line, `length '${sectors ?? ""}' is not a number of sectors`);
  const lowWaterMarkBlocks = naturalNumber(lowWater);
  if (lowWaterMarkBlocks === undefined) throw refused(line, `low water mark '${lowWater}' is not a number of blocks`);
  if ((count === undefined ? 0 : naturalNumber(count)) !== names.length) {
    throw refused(line, `'${count ?? ""}' is not the number of features that follow`);
  }
  const known = new Set<string>(features.map(([name]) => name));
  for (const name of names) if (!known.has(name ?? "")) throw refused(line, `no such pool feature: '${name ?? ""}'`);
  return {
    sectors: length,
    metadataDevice,
    dataDevice,
    blockSizeSectors,
    lowWaterMarkBlocks,
    skipBlockZeroing: names.includes("skip_block_zeroing"),
    ignoreDiscard: names.includes("ignore_discard"),
    noDiscardPassdown: names.includes("no_discard_passdown"),
    readOnly: names.includes("read_only"),
    errorIfNoSpace: names.includes("error_if_no_space"),
  };
}

/** The table line of a pool, features in the kernel's order. `parsePoolTable` reads it back. */
export function formatPoolTable(table: ThinPoolTable): string {
  const names = features.filter(([, key]) => table[key]).map(([name]) => name);
  const { sectors, metadataDevice, dataDevice, blockSizeSectors, lowWaterMarkBlocks } = table;
  const line = `0 ${sectors} thin-pool ${metadataDevice} ${dataDevice} ${blockSizeSectors} ${lowWaterMarkBlocks}`;
  return `${line} ${[names.length, ...names].join(" ")}`;
}

/**
 * Refuses a data block size that dm-thin would refuse.
 *
 * @throws ThinError EINVAL
 */
export function requireBlockSize(sectors: number): void {
  if (
    !Number.isInteger(sectors) ||
    sectors < minimumBlockSectors ||
    sectors > maximumBlockSectors ||
    sectors % minimumBlockSectors !== 0
  ) {
    throw new ThinError(
      "EINVAL",
      `Cannot use a data block size of ${sectors} sectors: it must be a multiple of 128 sectors (64 KiB), at least 128 and at most 2097152 (1 GiB)`,
    );
  }
}

function naturalNumber(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function refused(line: string, why: string): ThinError {
  return new ThinError("EINVAL", `Cannot use the pool table '${line.trim()}': ${why}`);
}
