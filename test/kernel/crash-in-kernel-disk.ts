import { closeSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";
import { runInShell } from "./pool-crossing-shell.ts";
import { LogReplay } from "./log-writes.ts";

const MEBIBYTE = 2 ** 20;
const SECTORS = 2048; // a mebibyte

/** How the logged disk is divided: the graph's host file system first, then room for a pool's devices. */
const diskMebibytes = { fileSystem: 160, metadata: 8, data: 256 };
const totalMebibytes = diskMebibytes.fileSystem + diskMebibytes.metadata + diskMebibytes.data;

/** The graph's host file system and the pool's devices, on one disk. */
export const parts = { data: "/dev/mapper/crash-data", metadata: "/dev/mapper/crash-metadata" };

/** A part of the disk. */
export type Part = keyof typeof diskMebibytes;

const partNames = Object.keys(diskMebibytes) as Part[];

/** A part's place in a table: what is before START is the target's own. */
function partTable(part: Part, target: string, disk: string): string {
  const before = partNames.slice(0, partNames.indexOf(part)).map((name) => diskMebibytes[name]);
  const start = before.reduce((sum, mebibytes) => sum + mebibytes, 0);
  return `0 ${diskMebibytes[part] * SECTORS} ${target} ${disk} ${start * SECTORS}`;
}

/** Lets every write to a part fail from now on, or succeed again. Reads go on. */
export function setPartWrites(part: Part, disk: string, writes: "fail" | "succeed"): void {
  const table =
    writes === "succeed" ? partTable(part, "linear", disk) : `${partTable(part, "flakey", disk)} 0 3600 1 error_writes`;
  runInShell(`dmsetup load crash-${part} --table '${table}'`);
  runInShell(`dmsetup suspend --noflush --nolockfs crash-${part}; dmsetup resume crash-${part}`);
}

/** Divides a disk and mounts its file system. */
export function attachParts(disk: string, mountPoint: string): void {
  const tables = partNames.map((part) => `crash-${part},,,rw,${partTable(part, "linear", disk)}`);
  runInShell(`dmsetup create --concise '${tables.join(";")}'`);
  mkdirSync(mountPoint, { recursive: true });
  runInShell(`mount -t ext4 /dev/mapper/crash-fileSystem ${mountPoint}`);
}

/** The inverse; the file system has to be sound then. */
export function detachParts(mountPoint: string): void {
  runInShell(`umount ${mountPoint}`);
  runInShell("e2fsck -fn /dev/mapper/crash-fileSystem");
  runInShell("dmsetup remove crash-fileSystem crash-metadata crash-data");
}

function sparse(path: string, sizeBytes: number): string {
  const fd = openSync(path, "w");
  ftruncateSync(fd, sizeBytes);
  closeSync(fd);
  return path;
}

function makeFileSystem(disk: string): void {
  const blocks = (diskMebibytes.fileSystem * MEBIBYTE) / 4096;
  runInShell(`mkfs.ext4 -q -b 4096 -J size=8 -E lazy_itable_init=1,nodiscard ${disk} ${blocks}`);
}

/** A disk with a new ext4, as a loop device. */
export function newDisk(folder: string): string {
  const disk = attachLoop(sparse(join(folder, "disk"), totalMebibytes * MEBIBYTE));
  makeFileSystem(disk);
  return disk;
}

/** A disk with a new ext4 whose every write from now on is logged. */
export class LoggedDisk {
  readonly device = "/dev/mapper/crash-log";
  readonly logFile: string;
  readonly #loops: string[];

  constructor(folder: string) {
    this.logFile = sparse(join(folder, "log"), 1024 * MEBIBYTE);
    const disk = sparse(join(folder, "disk"), totalMebibytes * MEBIBYTE);
    this.#loops = [attachLoop(disk), attachLoop(this.logFile)];
    const table = `0 ${totalMebibytes * SECTORS} log-writes ${this.#loops.join(" ")}`;
    runInShell(`dmsetup create crash-log --table '${table}'`);
    // Everything is logged from the first byte on, so the replay can begin with an empty disk.
    makeFileSystem(this.device);
  }

  mark(text: string): void {
    runInShell(`dmsetup message crash-log 0 mark ${text}`);
  }

  /** Ends the log. */
  close(): void {
    runInShell("dmsetup remove crash-log");
    for (const loop of this.#loops) detachLoop(loop);
  }
}

/** The logged disk as power cuts leave it. */
export class CutDisk {
  readonly device = "/dev/mapper/crash-cut";
  readonly replay: LogReplay;
  readonly #folder: string;
  readonly #loop: string;

  constructor(folder: string, logFile: string) {
    this.#folder = folder;
    const disk = join(folder, "replayed");
    this.replay = new LogReplay(logFile, disk, totalMebibytes * MEBIBYTE);
    this.#loop = attachLoop(disk);
  }

  /** Calls `use` while `device` is the disk as it is now; what is written to it goes elsewhere, and is gone afterwards. */
  async with(use: () => Promise<void>): Promise<void> {
    const writes = attachLoop(sparse(join(this.#folder, "written"), totalMebibytes * MEBIBYTE));
    try {
      const table = `0 ${totalMebibytes * SECTORS} snapshot ${this.#loop} ${writes} N 8`;
      runInShell(`dmsetup create crash-cut --table '${table}'`);
      await use();
      runInShell("dmsetup remove crash-cut");
    } finally {
      detachLoop(writes);
    }
  }

  close(): void {
    detachLoop(this.#loop);
    this.replay.close();
  }
}
