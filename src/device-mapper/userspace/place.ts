import { join } from "node:path";
import { POOL_FILE } from "../../block-device/exported-files.ts";
import { mappedRunDir } from "../../block-device/mapped/mapped-process.ts";
import { poolPaths, type PoolPaths } from "../../block-device/pool-paths.ts";

/** Where a device is served. It never changes; the device's name may. */
export interface Place {
  kind: "pool" | "volume" | "mapped";
  /** The name of the processes, which is that of their folder: a pool's own, a volume's pool's, or a mapped device's own. */
  host: string;
  /** The file in their mount. */
  file: string;
}

/** The place of a pool itself. */
export function poolPlace(pool: string): Place {
  return { kind: "pool", host: pool, file: POOL_FILE };
}

/** The place of a volume of a pool. */
export function volumePlace(pool: string, file: string): Place {
  return { kind: "volume", host: pool, file };
}

/** The place of a device that has processes of its own, but is no pool. */
export function mappedPlace(host: string): Place {
  return { kind: "mapped", host, file: host };
}

export function isSamePlace(one: Place | undefined, other: Place): boolean {
  return one?.kind === other.kind && one.host === other.host && one.file === other.file;
}

/** The paths of what serves a place. */
export function pathsOf(runDir: string, { kind, host }: Place): PoolPaths {
  return poolPaths(kind === "mapped" ? mappedRunDir(runDir) : runDir, host);
}

/** The place of a file that a loop device is on; undefined where it is none of the run folder's. */
export function placeOfFile(runDir: string, path: string): Place | undefined {
  if (!path.startsWith(`${runDir}/`)) return undefined;
  const words = path.slice(mappedPrefix(runDir, path).length).split("/");
  if (words.length !== 3 || words[1] !== "mount") return undefined;
  const [host, , file] = words;
  if (path.startsWith(`${mappedRunDir(runDir)}/`)) return mappedPlace(host);
  return file === POOL_FILE ? poolPlace(host) : { kind: "volume", host, file };
}

function mappedPrefix(runDir: string, path: string): string {
  const mapped = join(mappedRunDir(runDir), "/");
  return path.startsWith(mapped) ? mapped : `${runDir}/`;
}
