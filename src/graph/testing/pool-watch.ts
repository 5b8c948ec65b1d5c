import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceMapper } from "../../device-mapper/device-mapper.ts";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import type { DeviceSet } from "../device-set.ts";
import { until } from "../../linux/testing/until.ts";
import { GraphLocks } from "../locks/graph-locks.ts";
import { parsePoolStatus, type PoolStatus } from "../pool/pool-status.ts";

/** A pool's state now. */
export async function poolState(mapper: DeviceMapper, pool: string): Promise<PoolStatus> {
  return parsePoolStatus(pool, await mapper.status(pool));
}

/** Writes a file of zeroes past the page cache. @returns dd's exit status */
export async function fill(file: string, mebibytes: number): Promise<unknown> {
  const words = ["if=/dev/zero", `of=${file}`, "bs=1M", `count=${mebibytes}`, "oflag=direct", "status=none"];
  const dd = spawn("dd", words, { stdio: "ignore" });
  const [status] = (await once(dd, "exit")) as [number | null];
  return status;
}

/**
 * Runs a part of a test during which writes may be held by a full pool. If it fails, they are let go: nobody could end or
 * unmount them before.
 */
export async function whileHeld(set: DeviceSet, writer: Promise<unknown>, task: () => Promise<void>): Promise<void> {
  try {
    await task();
  } catch (error) {
    await set.growPool({ dataBytes: { addBytes: 2 ** 30 } }).catch(() => undefined);
    await writer;
    throw error;
  }
}

/** The process that watches a graph's pool. */
export function monitorOf(root: string): number | "unknown" | "none" {
  const locks = new GraphLocks(root, 1000, () => undefined);
  try {
    return locks.monitor();
  } finally {
    locks.close();
  }
}

/** The same, once there is one. */
export async function monitorBegun(root: string): Promise<number> {
  await until("there is a monitor", () => typeof monitorOf(root) === "number");
  return monitorOf(root) as number;
}

/** What the monitor of a pool said. */
export function monitorLog(mapper: DeviceMapper, pool: string): string {
  return readFileSync(join(mapper.runDir ?? defaultRunDir(), `${pool}.monitor.log`), "utf8");
}
