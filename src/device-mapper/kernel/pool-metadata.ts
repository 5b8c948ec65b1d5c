import { blockDevicePath, deviceNumber, readSysfs } from "../../linux/device-path.ts";
import { errorCode } from "../../linux/system-error.ts";
import { check } from "../../metadata-tools/check.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { blockBytes } from "../../persistent-data/block.ts";
import { openDirectBlockFile } from "../../persistent-data/direct-block-file.ts";
import { MetadataView } from "../../thin/metadata-view.ts";
import { superblockLocation } from "../../thin/superblock.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { ReadingLock } from "./reading-lock.ts";

type Pools = Pick<DeviceMapper, "info" | "suspend" | "resume"> & {
  /** What the pool has not committed yet is committed; nothing happens to a pool that cannot. */
  commit(pool: string): Promise<void>;
};

/** A pool that commits faster than its metadata can be read, so many times in a row, is suspended for it. */
const readingAttempts = 3;

/**
 * Reads a running pool's metadata as it has them now.
 *
 * @param read is to be done with the metadata when it returns; may be called more than once
 */
export function readMetadata<T>(mapper: Pools, pool: string, read: (view: MetadataView) => T): Promise<T> {
  return readCommitted(mapper, pool, (file) => read(new MetadataView(file)));
}

/**
 * Checks a running pool's metadata, space maps too. What is found wrong while the pool is used is looked at again with the pool suspended: a
 * commit in the midst of writes has blocks that are allocated already, and mapped only when their data are written.
 */
export async function checkPool(mapper: Pools, pool: string): Promise<string[]> {
  const problems = await readCommitted(mapper, pool, check);
  return problems.length === 0 ? problems : translated(readSuspended(mapper, pool, check));
}

/** Resumes a pool that a process of ours had suspended when it was killed. */
export async function recoverReading(mapper: Pools, pool: string): Promise<void> {
  if (!ReadingLock.hasRecord(pool)) return;
  const lock = await ReadingLock.take(pool);
  try {
    if (!lock.suspended) return;
    if ((await mapper.info(pool))?.suspended === true) await mapper.resume(pool);
    lock.suspended = false;
  } finally {
    lock.release();
  }
}

/**
 * Reads what a pool committed last. What a committed superblock reaches is not written again before the next superblock is: so what was
 * read while the device was not written to was all there at one moment. (The superblock alone would not tell: two commits can bring back
 * the very same one, over other contents.)
 *
 * A metadata snapshot (`reserve_metadata_snap`) would be the kernel's own way, but it is not safe from a power cut: the kernel changes the
 * superblock's held root outside of the commit that counts the blocks it holds (dm-thin-metadata.c), and the first flush of that commit writes
 * it. The power gone right then, the pool loses metadata blocks; or it has a held root that nobody counts, whose release frees the live trees.
 */
function readCommitted<T>(mapper: Pools, pool: string, read: (file: BlockFile) => T): Promise<T> {
  return translated(readUnchangedOrSuspended(mapper, pool, read));
}

async function readUnchangedOrSuspended<T>(mapper: Pools, pool: string, read: (file: BlockFile) => T): Promise<T> {
  await recoverReading(mapper, pool);
  const place = await findMetadata(mapper, pool);
  if (!place.suspended) {
    await mapper.commit(pool);
    for (let attempt = 0; attempt < readingAttempts; attempt++) {
      const found = readUnchanged(place.path, read);
      if (found !== "changed meanwhile") return found.result;
    }
  }
  return readSuspended(mapper, pool, read);
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DeviceMapperError || !(error instanceof Error)) throw error;
    throw new DeviceMapperError(errorCode(error) ?? "EIO", error.message);
  }
}

function readUnchanged<T>(path: string, read: (file: BlockFile) => T): { result: T } | "changed meanwhile" {
  const superblock = withFile(path, readSuperblockBytes);
  const writes = writesTo(path);
  const isChanged = (): boolean => writesTo(path) !== writes || !withFile(path, readSuperblockBytes).equals(superblock);
  try {
    const result = withFile(path, read);
    return isChanged() ? "changed meanwhile" : { result };
  } catch (error) {
    if (isChanged()) return "changed meanwhile";
    throw error;
  }
}

/** Should this process end before the pool is resumed, `recoverReading` does it. */
async function readSuspended<T>(mapper: Pools, pool: string, read: (file: BlockFile) => T): Promise<T> {
  const lock = await ReadingLock.take(pool);
  try {
    const { path, suspended } = await findMetadata(mapper, pool);
    if (suspended) return withFile(path, read); // by another program, which will resume it
    lock.suspended = true;
    await mapper.suspend(pool);
    try {
      return withFile(path, read);
    } finally {
      await mapper.resume(pool);
      lock.suspended = false;
    }
  } finally {
    lock.release();
  }
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

/** Writes that a block device has done; the kernel counts none where its `iostats` are off. */
function writesTo(path: string): string | undefined {
  // Documentation/block/stat.rst: reads, merged, sectors, ticks, writes, …
  return readSysfs(`/sys/dev/block/${deviceNumber(path)}/stat`)?.split(/\s+/)[4];
}

function readSuperblockBytes(file: BlockFile): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  file.read(superblockLocation, bytes);
  return bytes;
}

function withFile<T>(path: string, use: (file: BlockFile) => T): T {
  const file = openDirectBlockFile(path);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
