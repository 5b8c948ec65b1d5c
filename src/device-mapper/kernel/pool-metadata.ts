import { blockDevicePath } from "../../linux/device-path.ts";
import { check } from "../../metadata-tools/check.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { openDirectBlockFile } from "../../persistent-data/direct-block-file.ts";
import { errorCode } from "../../linux/system-error.ts";
import { MetadataView } from "../../thin/metadata-view.ts";
import type { Superblock } from "../../thin/superblock.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { SnapshotLock, type SnapshotRecord } from "./snapshot-record.ts";

type Pools = Pick<DeviceMapper, "info" | "status" | "message" | "suspend" | "resume">;

/**
 * Reads a running pool's metadata: a metadata snapshot of it, which the pool leaves as it is while it goes on. A pool that is suspended,
 * read-only or failed changes nothing, and takes no snapshot: then what it committed last is read. So it is where another program holds a
 * metadata snapshot, of which there can be only one (or a power cut left it): the pool is suspended meanwhile.
 *
 * @param read is to be done with the metadata when it returns
 */
export function readMetadata<T>(mapper: Pools, pool: string, read: (view: MetadataView) => T): Promise<T> {
  return locked(mapper, pool, async (place, lock) => {
    const { unchanging, transactionId, heldRoot } = await condition(mapper, pool);
    if (place.suspended || unchanging) return viewed(place, undefined, read);
    if (heldRoot !== undefined) {
      if (!isAbandoned(place, heldRoot, lock)) return suspended(mapper, pool, () => viewed(place, undefined, read));
      await mapper.message(pool, "release_metadata_snap");
    }
    lock.record = { transactionId, held: undefined };
    await mapper.message(pool, "reserve_metadata_snap");
    try {
      const snapshot = (await condition(mapper, pool)).heldRoot;
      if (snapshot === undefined) {
        throw new DeviceMapperError("EAGAIN", `Cannot read the metadata of '${pool}': somebody released the snapshot`);
      }
      const { superblock } = viewed(place, snapshot, (view) => view);
      lock.record = { transactionId: superblock.transactionId, held: { root: snapshot, time: superblock.time } };
      return viewed(place, snapshot, read);
    } finally {
      await mapper.message(pool, "release_metadata_snap");
      lock.record = undefined;
    }
  });
}

/**
 * Checks the metadata of a running pool as it is committed now. The pool is suspended meanwhile: a snapshot has no space maps, which are
 * to be checked too. Should this process end before it is resumed, whoever comes next has to do it.
 */
export function checkPool(mapper: Pools, pool: string): Promise<string[]> {
  return locked(mapper, pool, async (place) => {
    if (place.suspended || (await condition(mapper, pool)).unchanging) return withFile(place, check);
    return suspended(mapper, pool, () => withFile(place, check));
  });
}

async function suspended<T>(mapper: Pools, pool: string, read: () => T): Promise<T> {
  await mapper.suspend(pool);
  try {
    return read();
  } finally {
    await mapper.resume(pool);
  }
}

/** Where a pool's metadata are. */
interface Place {
  pool: string;
  path: string;
  suspended: boolean;
}

async function locked<T>(
  mapper: Pools,
  pool: string,
  work: (place: Place, lock: SnapshotLock) => Promise<T>,
): Promise<T> {
  await findMetadata(mapper, pool);
  const lock = await SnapshotLock.take(pool);
  try {
    // Once more: the lock's last holder may have had it suspended.
    return await work(await findMetadata(mapper, pool), lock);
  } catch (error) {
    if (error instanceof DeviceMapperError || !(error instanceof Error)) throw error;
    throw new DeviceMapperError(errorCode(error) ?? "EIO", error.message);
  } finally {
    lock.release();
  }
}

/** Whether a metadata snapshot is that of a process of ours which is dead. */
function isAbandoned(place: Place, heldRoot: number, { record }: SnapshotLock): boolean {
  if (record === undefined) return false;
  const { superblock } = viewed(place, heldRoot, (view) => view);
  return isRecorded(record, heldRoot, superblock);
}

/** Whether this snapshot is the one that a dead process of ours took; it may have died before it knew where that is. */
function isRecorded({ transactionId, held }: SnapshotRecord, root: number, superblock: Superblock): boolean {
  if (transactionId !== superblock.transactionId) return false;
  return held === undefined || (held.root === root && held.time === superblock.time);
}

async function findMetadata(mapper: Pools, pool: string): Promise<Place> {
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
  return { pool, path, suspended: info.suspended };
}

/** What a pool's status says of its metadata. */
async function condition(mapper: Pools, pool: string) {
  // 0 SECTORS thin-pool TRANSACTION METADATA DATA HELD MODE … | Fail
  const [, , , transaction, , , held = "-", mode] = (await mapper.status(pool)).split(" ");
  return {
    unchanging: transaction === "Fail" || mode === "ro",
    transactionId: Number(transaction),
    heldRoot: held === "-" ? undefined : Number(held),
  };
}

function viewed<T>(place: Place, location: number | undefined, read: (view: MetadataView) => T): T {
  return withFile(place, (file) => read(new MetadataView(file, location)));
}

function withFile<T>({ path }: Place, use: (file: BlockFile) => T): T {
  const file = openDirectBlockFile(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
