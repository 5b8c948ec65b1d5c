// For tests: devices for pools, and certainty that nothing of them stays.
import assert from "node:assert/strict";
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { blockDiscard } from "../../linux/block-device.ts";
import { mountTable } from "../../linux/mount-table.ts";
import { unmountAsync } from "../../linux/mount.ts";
import { until } from "../../linux/testing/until.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { runProgram } from "./run-program.ts";

const MEBIBYTE = 1 << 20;

/** What a pool is to be, beside its name. */
export interface PoolShape {
  /** Of the pool and its data device. */
  sectors: number;
  blockSectors?: number;
  lowWaterBlocks?: number;
  metadataMebibytes?: number;
  features?: string;
}

/** A device mapper with a folder of files, which its pools stand on, and of mount points. */
export abstract class DeviceMapperSetup {
  readonly folder = mkdtempSync(join(tmpdir(), "mica-mapper-"));
  abstract readonly mapper: DeviceMapper;

  /** Another device mapper for the same devices, as another process would have it. */
  abstract another(): DeviceMapper;

  /** What a pool's table calls a sparse device of this name, which is made, or grown, to fit. */
  abstract device(name: string, mebibytes: number): string;

  /** What is still mounted, attached or running because of this. */
  abstract remains(): string[];

  /** Fails where something remains beside what is known. What was detached may go a moment later: when whoever looked at it in passing has closed it. */
  async nothingRemains(known: readonly string[] = []): Promise<void> {
    const attached = () => this.remains().filter((line) => line.startsWith("attached: ") && !known.includes(line));
    await until("nothing is attached", () => attached().length === 0, () => attached().join("\n")); // prettier-ignore
    assert.deepEqual(this.remains(), known);
  }

  /** Ends everything by force, however the test went. */
  abstract destroy(): Promise<void>;

  /** A sparse file, made or grown. */
  file(name: string, mebibytes: number): string {
    const path = join(this.folder, name);
    const fd = openSync(path, "a");
    ftruncateSync(fd, mebibytes * MEBIBYTE);
    closeSync(fd);
    return path;
  }

  /** Creates a pool with devices of its own; returns its table. */
  async create(pool: string, mebibytes: number, features = ""): Promise<string> {
    const line = this.table(pool, mebibytes, features);
    await this.mapper.create(pool, line);
    return line;
  }

  /** A table over devices that are made, or grown, to fit: 64 KiB blocks, low-water mark at 64 of them. */
  table(pool: string, mebibytes: number, features = ""): string {
    return this.shapedTable(pool, { sectors: mebibytes * 2048, lowWaterBlocks: 64, features });
  }

  /** A table over devices that are made, or resized, to fit. */
  shapedTable(pool: string, shape: PoolShape): string {
    const { sectors, blockSectors = 128, lowWaterBlocks = 0, metadataMebibytes = 16, features = "" } = shape;
    const metadata = this.device(`${pool}.metadata`, metadataMebibytes);
    const data = this.device(`${pool}.data`, sectors / 2048);
    const line = `0 ${sectors} thin-pool ${metadata} ${data} ${blockSectors} ${lowWaterBlocks}`;
    return features === "" ? line : `${line} ${features}`;
  }

  /** Creates a pool of that shape on devices of its own; returns its table. */
  async createShaped(pool: string, shape: PoolShape): Promise<string> {
    const line = this.shapedTable(pool, shape);
    await this.mapper.create(pool, line);
    return line;
  }

  /** Ends a pool and the devices of it that are named. */
  async removeAll(pool: string, ...devices: string[]): Promise<void> {
    for (const name of [...devices, pool]) await this.mapper.remove(name);
  }

  /** A new thin device, active; returns its block device. */
  async thin(pool: string, id: number, mebibytes: number, name = `${pool}-${id}`): Promise<string> {
    await this.mapper.message(pool, `create_thin ${id}`);
    await this.mapper.create(name, `0 ${mebibytes * 2048} thin ${pool} ${id}`);
    return this.blockDevice(name);
  }

  async blockDevice(name: string): Promise<string> {
    const path = (await this.mapper.info(name))?.blockDevice;
    if (path === undefined) throw new Error(`'${name}' has no block device`);
    return path;
  }

  /** A folder to mount on. */
  point(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path);
    return path;
  }

  /** Unmounts what was mounted in the folder, and removes it. */
  protected async removeFolder(): Promise<void> {
    for (const { mountPoint } of mountTable().reverse()) {
      if (mountPoint.startsWith(`${this.folder}/`))
        await unmountAsync(mountPoint, { lazy: true }).catch(() => undefined);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** "held" where work is not done after a while; what it gives otherwise. */
export function whetherHeld<T>(work: Promise<T>): Promise<T | "held"> {
  return Promise.race([work, sleep(300, "held" as const)]);
}

/**
 * Part of a device: all of it would be more memory than some kernels of the tests have. From the device itself, as the kernel keeps nothing of what nobody
 * has open.
 */
export function readAt(device: string, position: number, length = 1): Buffer {
  const fd = openSync(device, "r");
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
  } finally {
    closeSync(fd);
  }
}

/** Writes to a device, and waits until it has it. */
export function writeAt(device: string, position: number, bytes: Buffer): void {
  const fd = openSync(device, "r+");
  try {
    writeSync(fd, bytes, 0, bytes.length, position);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Discards part of a device. @throws SystemError EOPNOTSUPP where it takes none */
export function discard(device: string, position: number, length: number): void {
  const fd = openSync(device, "r+");
  try {
    blockDiscard(fd, position, length);
  } finally {
    closeSync(fd);
  }
}

/** Writes zeroes to a device, past the page cache. */
export function writeZeroes(device: string, mebibytes: number): Promise<{ status: number | null; output: string }> {
  return runProgram(
    "dd",
    "if=/dev/zero",
    `of=${device}`,
    "bs=1M",
    `count=${mebibytes}`,
    "oflag=direct",
    "conv=notrunc",
  );
}
