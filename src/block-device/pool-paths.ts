import { createHash } from "node:crypto";
import { mkdirSync, statfsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const TMPFS_MAGIC = 0x01021994;
const SHARED_MEMORY = "/dev/shm";

/** Where everything of a running pool is. Nothing here outlives the machine's boot. */
export interface PoolPaths {
  /** The pool's name. */
  name: string;
  folder: string;
  /** Mount point of the FUSE file system: one file a volume, and the control file. */
  mount: string;
  control: string;
  /** JSON: `PoolState`; the supervisor's. */
  state: string;
  /** The table in force; the engine rewrites it at each reload. */
  table: string;
  /** JSON: which volumes are suspended, or to be removed at their last close; the engine's. */
  flags: string;
  /** Written by an engine that ended on purpose, and need not be started again. */
  ended: string;
  /** Written by an engine that gave its mount up: requests were lost, which only an error answers. */
  abandoned: string;
  log: string;
  /** One file a volume, holding the loop device it is attached to; the clients'. */
  devices: string;
  /** On tmpfs; its folder is the pool's own. */
  journal: string;
  /** Locked by whoever starts, takes over or ends the pool's processes. */
  lock: string;
}

/** The folder that holds running pools: MICA_RUN_DIR, else /run/mica. */
export function defaultRunDir(): string {
  return resolve(process.env["MICA_RUN_DIR"] ?? "/run/mica");
}

const known = new Map<string, PoolPaths>();

/** The paths of one pool. Reads the file system's type (once a process), changes nothing. */
export function poolPaths(runDir: string, name: string): PoolPaths {
  const folder = join(runDir, name);
  let paths = known.get(folder);
  if (paths === undefined) known.set(folder, (paths = makePoolPaths(runDir, name, folder)));
  return paths;
}

function makePoolPaths(runDir: string, name: string, folder: string): PoolPaths {
  const inFolder = (file: string) => join(folder, file);
  return {
    name,
    folder,
    mount: inFolder("mount"),
    control: inFolder("mount/control"),
    state: inFolder("state.json"),
    table: inFolder("table"),
    flags: inFolder("flags.json"),
    ended: inFolder("ended"),
    abandoned: inFolder("abandoned"),
    log: inFolder("engine.log"),
    devices: inFolder("devices"),
    journal: join(onTmpfs(runDir) ? folder : journalFolder(folder), "journal"),
    lock: join(runDir, `${name}.lock`),
  };
}

/** Makes the pool's folders, closed to others. */
export function makePoolFolders(paths: PoolPaths): void {
  for (const folder of [paths.folder, paths.mount, paths.devices, dirname(paths.journal)]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}

function journalFolder(folder: string): string {
  return join(SHARED_MEMORY, `mica-${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`);
}

function onTmpfs(path: string): boolean {
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      return statfsSync(existing).type === TMPFS_MAGIC;
    } catch {
      if (existing === "/") return false;
    }
  }
}
