import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import { type FileLock, lockFile } from "../../linux/flock.ts";

/** A metadata snapshot that a process of ours took, or was about to take. */
export interface SnapshotRecord {
  /** The pool's transaction id in it. */
  transactionId: number;
  /** Where it is, and the pool's time in it; undefined when it was not taken yet, or not looked at. */
  held: { root: number; time: number } | undefined;
}

/**
 * Locks the reading of a pool's metadata against other processes of ours. The lock's file tells of the metadata snapshot that its holder
 * takes: what a dead holder left is found there. It is gone at the next boot; by then a pool is not ours alone any more.
 */
export class SnapshotLock {
  readonly #path: string;
  readonly #lock: FileLock;

  static async take(pool: string): Promise<SnapshotLock> {
    const folder = `${defaultRunDir()}-kernel`;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${pool}.lock`);
    return new SnapshotLock(path, await lockFile(path));
  }

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
  }

  /** What the last holder wrote and did not take back. */
  get record(): SnapshotRecord | undefined {
    const text = readFileSync(this.#path, "utf8");
    return text === "" ? undefined : (JSON.parse(text) as SnapshotRecord);
  }

  set record(record: SnapshotRecord | undefined) {
    writeFileSync(this.#path, record === undefined ? "" : JSON.stringify(record));
  }

  release(): void {
    this.#lock.release();
  }
}
