import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import { type FileLock, lockFile } from "../../linux/flock.ts";

/**
 * Locks the suspension of a pool for the reading of its metadata against other processes of ours. The lock's file tells that its
 * holder has the pool suspended: should that one die, the next finds it there. It is gone at the next boot, as a suspension is.
 */
export class ReadingLock {
  readonly #path: string;
  readonly #lock: FileLock;

  static async take(pool: string): Promise<ReadingLock> {
    const path = lockPath(pool);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return new ReadingLock(path, await lockFile(path));
  }

  /** Whether there may be a suspension to take back. Costs one stat. */
  static hasRecord(pool: string): boolean {
    return (statSync(lockPath(pool), { throwIfNoEntry: false })?.size ?? 0) > 0;
  }

  private constructor(path: string, lock: FileLock) {
    this.#path = path;
    this.#lock = lock;
  }

  /** Whether the holder, this one or one that is dead, has the pool suspended, or was about to. */
  get suspended(): boolean {
    return readFileSync(this.#path, "utf8") !== "";
  }

  set suspended(suspended: boolean) {
    writeFileSync(this.#path, suspended ? "suspended" : "");
  }

  release(): void {
    this.#lock.release();
  }
}

function lockPath(pool: string): string {
  return join(`${defaultRunDir()}-kernel`, `${pool}.lock`);
}
