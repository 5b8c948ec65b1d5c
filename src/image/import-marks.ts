import { randomBytes } from "node:crypto";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockFileSync } from "../linux/flock.ts";
import { errorCode } from "../linux/system-error.ts";
import { hexOf, type Digest } from "./digest.ts";
import type { StoreFiles } from "./store-files.ts";
import type { StoreLocks } from "./store-locks.ts";

const PREFIX = "image-";
const NAMELESS = "nameless-";

/**
 * Marks of images under way, whose layers no image claims yet: locked files, as those of PendingDevices. While one is alive,
 * layers without an image are left alone; a dead one says that there may be such layers to collect.
 *
 * An image and its names are files of their own. So before an image comes or goes, a further file is put down, whose name tells the image: if the
 * change is cut short between them, it goes when it has no name. Empty files, in the order of the file system's log, need no flush.
 */
export class ImportMarks {
  private readonly files: StoreFiles;
  private readonly locks: StoreLocks;

  constructor(files: StoreFiles, locks: StoreLocks) {
    this.files = files;
    this.locks = locks;
  }

  /** Makes an image under a mark. If that fails the mark is left behind, dead. */
  async during<T>(make: () => Promise<T>): Promise<T> {
    const path = this.newPath();
    const lock = await this.locks.records(() => lockFileSync(path));
    try {
      const result = await make();
      rmSync(path, { force: true });
      return result;
    } finally {
      lock.release();
    }
  }

  /** Whether an image is under way, here or in another process. Only for who holds the records' lock. */
  anyAlive(): boolean {
    return this.paths().some((path) => {
      try {
        lockFileSync(path).release();
        return false;
      } catch (error) {
        if (errorCode(error) === "EAGAIN") return true;
        throw error;
      }
    });
  }

  /** Whether there are marks; after a look at `anyAlive`, dead ones. */
  any(): boolean {
    return this.names(PREFIX, NAMELESS).length > 0;
  }

  /** Asks for a collection later. */
  leaveDead(): void {
    if (!this.any()) writeFileSync(this.newPath(), "");
  }

  /** Says of an image that it goes if it is found without a name. Only under the records' lock. */
  noteNameless(image: Digest): void {
    writeFileSync(this.namelessPath(image), "");
  }

  /** Takes `noteNameless` back, for an image that has its name. */
  forgetNameless(image: Digest): void {
    rmSync(this.namelessPath(image), { force: true });
  }

  /** Images that `noteNameless` tells of. */
  nameless(): Digest[] {
    return this.names(NAMELESS).map((name) => `sha256:${name.slice(NAMELESS.length)}` as const);
  }

  /** Only when none is alive, and under the records' lock. */
  clear(): void {
    for (const path of this.paths()) rmSync(path, { force: true });
    for (const image of this.nameless()) this.forgetNameless(image);
  }

  private newPath(): string {
    return join(this.files.pendingFolder, PREFIX + randomBytes(8).toString("hex"));
  }

  private namelessPath(image: Digest): string {
    return join(this.files.pendingFolder, NAMELESS + hexOf(image));
  }

  private paths(): string[] {
    return this.names(PREFIX).map((name) => join(this.files.pendingFolder, name));
  }

  private names(...prefixes: string[]): string[] {
    return readdirSync(this.files.pendingFolder).filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
  }
}
