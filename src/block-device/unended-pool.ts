import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { errorCode } from "../linux/system-error.ts";
import { parsePoolTable } from "../thin/pool-table.ts";
import { defaultRunDir, type PoolPaths, poolPaths } from "./pool-paths.ts";
import { readPoolState } from "./pool-state.ts";

/**
 * The name of a pool in user space that has this file or device and was not ended, though nobody may serve it now: what its journal
 * holds is still to come. undefined where there is none.
 */
export function unendedPoolOn(path: string, runDir = defaultRunDir()): string | undefined {
  return poolNames(runDir).find((name) => {
    const paths = poolPaths(runDir, name);
    return (
      readPoolState(paths) !== undefined &&
      existsSync(paths.journal) &&
      devicesOf(paths).some((device) => isSame(device, path))
    );
  });
}

function poolNames(runDir: string): string[] {
  try {
    return readdirSync(runDir, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

function devicesOf({ table }: PoolPaths): string[] {
  try {
    const { metadataDevice, dataDevice } = parsePoolTable(readFileSync(table, "utf8"));
    return [metadataDevice, dataDevice];
  } catch {
    // Not written yet: nothing was done with the pool.
    return [];
  }
}

function isSame(device: string, path: string): boolean {
  const [one, other] = [device, path].map((each) => statSync(each, { throwIfNoEntry: false }));
  if (one === undefined || other === undefined) return false;
  if (one.isBlockDevice() && other.isBlockDevice()) return one.rdev === other.rdev;
  return one.dev === other.dev && one.ino === other.ino;
}
