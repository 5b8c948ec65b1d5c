import { blockDevicePath } from "../../linux/device-path.ts";
import { check } from "../../metadata-tools/check.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { openDirectBlockFile } from "../../persistent-data/direct-block-file.ts";
import { MetadataView } from "../../thin/metadata-view.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { SnapshotLock, type SnapshotRecord } from "./snapshot-record.ts";

type Pools = Pick<DeviceMapper, "info" | "status" | "message" | "suspend" | "resume">;

/**
 * Reads a running pool's metadata: a metadata snapshot of it, which the pool leaves as it is while it goes on. A pool that is suspended,
 * read-only or failed changes nothing, and takes no snapshot: then what it committed last is read.
 *
 * @param read is to be done with the metadata when it returns
 * @throws DeviceMapperError EBUSY when another program holds a metadata snapshot: there can be only one
 */
export async function readMetadata<T>(mapper: Pools, pool: string, read: (view: MetadataView) => T): Promise<T> {
  const lock = await SnapshotLock.take(pool);
  try {
    const { path, suspended } = await findMetadata(mapper, pool);
    if (suspended || (await condition(mapper, pool)).unchanging) return viewed(path, undefined, read);
    await releaseAbandoned(mapper, pool, path, lock);
    lock.record = { ...viewed(path, undefined, identity), heldRoot: undefined };
    await mapper.message(pool, "reserve_metadata_snap");
    try {
      const { heldRoot } = await condition(mapper, pool);
      if (heldRoot === undefined) {
        throw new DeviceMapperError("EAGAIN", `Cannot read the metadata of '${pool}': somebody released its snapshot`);
      }
      lock.record = { ...viewed(path, heldRoot, identity), heldRoot };
      return viewed(path, heldRoot, read);
    } finally {
      await mapper.message(pool, "release_metadata_snap");
      lock.record = undefined;
    }
  } finally {
    lock.release();
  }
}

/**
 * Checks the metadata of a running pool as it is committed now. The pool is suspended meanwhile: a snapshot has no space maps, which are
 * to be checked too. Should this process end before it is resumed, whoever comes next has to do it.
 */
export async function checkPool(mapper: Pools, pool: string): Promise<string[]> {
  const lock = await SnapshotLock.take(pool);
  try {
    const { path, suspended } = await findMetadata(mapper, pool);
    if (suspended) return checkDevice(path);
    await mapper.suspend(pool);
    try {
      return checkDevice(path);
    } finally {
      await mapper.resume(pool);
    }
  } finally {
    lock.release();
  }
}

/** Releases the metadata snapshot of a process of ours that is dead; refuses to go on where there is another's. */
async function releaseAbandoned(mapper: Pools, pool: string, path: string, lock: SnapshotLock): Promise<void> {
  const { heldRoot } = await condition(mapper, pool);
  if (heldRoot === undefined) return;
  const record = lock.record;
  if (record === undefined || !matches(record, heldRoot, viewed(path, heldRoot, identity))) {
    throw new DeviceMapperError(
      "EBUSY",
      `Cannot read the metadata of '${pool}': another program holds a metadata snapshot, and there can be only one. ` +
        `Wait for it, or if it is gone: dmsetup message ${pool} 0 release_metadata_snap`,
    );
  }
  await mapper.message(pool, "release_metadata_snap");
}

/** Whether this snapshot is the one that was recorded: of the same moment, and if its root was known already, there. */
function matches(record: SnapshotRecord, heldRoot: number, held: Moment): boolean {
  const sameMoment = record.transactionId === held.transactionId && record.time === held.time;
  return sameMoment && (record.heldRoot === undefined || record.heldRoot === heldRoot);
}

type Moment = Pick<SnapshotRecord, "transactionId" | "time">;

function identity({ superblock: { transactionId, time } }: MetadataView): Moment {
  return { transactionId, time };
}

async function findMetadata(mapper: Pools, pool: string): Promise<{ path: string; suspended: boolean }> {
  const info = await mapper.info(pool);
  const [, , target, numbers = ""] = info?.tableLine.split(" ") ?? [];
  if (info === undefined || target !== "thin-pool") {
    throw new DeviceMapperError("ENXIO", `Cannot find pool '${pool}': there is no thin pool of that name`);
  }
  const path = blockDevicePath(numbers);
  if (path === undefined) {
    throw new DeviceMapperError(
      "ENXIO",
      `Cannot read the metadata of '${pool}': /dev has no node of device ${numbers}`,
    );
  }
  return { path, suspended: info.suspended };
}

/** What a pool's status says of its metadata. */
async function condition(mapper: Pools, pool: string): Promise<{ unchanging: boolean; heldRoot: number | undefined }> {
  // 0 SECTORS thin-pool TRANSACTION METADATA DATA HELD MODE … | Fail
  const [, , , transaction, , , held = "-", mode] = (await mapper.status(pool)).split(" ");
  const unchanging = transaction === "Fail" || mode === "ro";
  return { unchanging, heldRoot: held === "-" ? undefined : Number(held) };
}

function viewed<T>(path: string, location: number | undefined, read: (view: MetadataView) => T): T {
  return withFile(path, (file) => read(new MetadataView(file, location)));
}

function checkDevice(path: string): string[] {
  return withFile(path, check);
}

function withFile<T>(path: string, use: (file: BlockFile) => T): T {
  const file = openDirectBlockFile(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
