import { deviceSizeBytes } from "../linux/block-device.ts";
import { bootId } from "../linux/boot-id.ts";
import { blockBytes } from "../persistent-data/block.ts";
import { mostMetadataBlocks } from "../persistent-data/metadata-limit.ts";
import type { DataDevice } from "./data-device.ts";
import { ThinError } from "./errors.ts";
import { FileDataDevice } from "./file-data-device.ts";
import { TmpfsJournalFile } from "./journal-file.ts";
import type { JournalFile } from "./journal-file.ts";
import { Journal } from "./journal.ts";
import { ThinMetadata } from "./metadata.ts";
import { PoolCore } from "./pool-core.ts";
import type { PoolLog } from "./pool-core.ts";
import { poolMode } from "./pool-mode.ts";
import { PoolSession } from "./pool-session.ts";
import { requireBlockSize } from "./pool-table.ts";
import type { ThinPoolTable } from "./pool-table.ts";

/** How to open a pool. */
export interface PoolOptions {
  readonly metadataPath: string;
  readonly dataPath: string;
  readonly table: ThinPoolTable;
  /** A file on tmpfs (its folder must exist). Without one an engine crash loses what was not flushed. */
  readonly journalPath?: string;
  /** Monotonic milliseconds; default performance.now. */
  readonly now?: () => number;
  readonly log?: PoolLog;
  /** Puts other devices in the place of the paths: for tests that record or fail I/O. */
  readonly devices?: {
    readonly data?: DataDevice;
    readonly journal?: JournalFile;
    readonly openMetadata?: (path: string) => ThinMetadata;
  };
}

/** Opens or formats what a pool is made of; its mode follows from the table and the needs_check flag. */
export function openPoolCore(options: PoolOptions): PoolCore {
  const { table, metadataPath, dataPath, devices, log = () => undefined } = options;
  requireBlockSize(table.blockSizeSectors);
  const data = devices?.data ?? new FileDataDevice(dataPath, "read-write");
  let metadata: ThinMetadata | undefined;
  try {
    requireDataDevice(data, table);
    metadata = devices?.openMetadata?.(metadataPath) ?? openMetadata(metadataPath, table, log);
    requireSameGeometry(metadata, table);
  } catch (error) {
    metadata?.close();
    data.close();
    throw error;
  }
  const file =
    devices?.journal ?? (options.journalPath === undefined ? undefined : new TmpfsJournalFile(options.journalPath));
  const core = new PoolCore({
    metadata,
    data,
    journal: new Journal(file, bootId()),
    session: new PoolSession(),
    table,
    now: options.now ?? (() => performance.now()),
    log,
  });
  if (metadata.needsCheck) core.mode = poolMode.readOnly;
  return core;
}

function openMetadata(path: string, table: ThinPoolTable, log: PoolLog): ThinMetadata {
  const usableBytes = mostMetadataBlocks * blockBytes;
  if (deviceSizeBytes(path) > usableBytes) {
    log("warn", `The metadata device ${path} is larger than the ${usableBytes} bytes that can be used`);
  }
  const empty = ThinMetadata.isEmpty(path);
  if (table.readOnly && empty) {
    throw new ThinError(
      "EPERM",
      `Cannot open the pool's metadata: ${path} is empty, and a read-only pool formats nothing`,
    );
  }
  if (!empty) return ThinMetadata.open(path, {});
  return ThinMetadata.format(path, { dataBlockSize: table.blockSizeSectors, dataBlocks: dataBlocksOf(table) });
}

/** Whole blocks in a pool of the table's length. */
export function dataBlocksOf(table: ThinPoolTable): number {
  return Math.floor(table.sectors / table.blockSizeSectors);
}

/** @throws ThinError EINVAL when the data device is shorter than the table says */
export function requireDataDevice(data: DataDevice, table: ThinPoolTable): void {
  if (data.sizeBytes >= table.sectors * 512) return;
  throw new ThinError(
    "EINVAL",
    `Cannot use ${table.dataDevice} as data device: it has ${Math.floor(data.sizeBytes / 512)} sectors, the table wants ${table.sectors}`,
  );
}

/** @throws ThinError EINVAL when metadata and table disagree on the block size, or the table's pool is smaller */
export function requireSameGeometry(metadata: ThinMetadata, table: ThinPoolTable): void {
  if (metadata.dataBlockSize !== table.blockSizeSectors) {
    throw new ThinError(
      "EINVAL",
      `Cannot change the pool's data block size from ${metadata.dataBlockSize} to ${table.blockSizeSectors} sectors: use ${metadata.dataBlockSize}`,
    );
  }
  if (dataBlocksOf(table) < metadata.dataBlocks) {
    throw new ThinError(
      "EINVAL",
      `Cannot shrink the pool: it has ${metadata.dataBlocks} data blocks, the table only room for ${dataBlocksOf(table)}`,
    );
  }
}
