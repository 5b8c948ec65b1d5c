import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { negativeErrno } from "./negative-errno.ts";

/** Where a journal's bytes live. Results are 0 or a negative errno. */
export interface JournalFile {
  /** Everything written so far; empty when there is no journal. */
  contents(): Uint8Array;
  /** Adds to the end with one write. After a failure the end is where it was. */
  append(bytes: Uint8Array, length: number): number;
  /** Puts other contents in place of all: a reader sees the old or the new, whenever the process dies. */
  replace(bytes: Uint8Array): number;
  /** Removes the journal. */
  remove(): void;
  close(): void;
}

/** A journal in a file, which belongs on tmpfs: it is never synchronised. */
export class TmpfsJournalFile implements JournalFile {
  readonly #path: string;
  #fd = -1;
  #size = 0;

  constructor(path: string) {
    this.#path = path;
  }

  contents(): Uint8Array {
    try {
      return readFileSync(this.#path);
    } catch {
      return new Uint8Array(0);
    }
  }

  append(bytes: Uint8Array, length: number): number {
    if (this.#fd < 0) return -9; // EBADF: nothing was put in place yet
    try {
      const count = writeSync(this.#fd, bytes, 0, length, this.#size);
      if (count !== length) return -28; // ENOSPC: tmpfs took a part
      this.#size += length;
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  replace(bytes: Uint8Array): number {
    const next = `${this.#path}.new`;
    let fd = -1;
    try {
      fd = openSync(next, "w", 0o600);
      if (writeSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) throw new Error("tmpfs is full");
      renameSync(next, this.#path);
    } catch (error) {
      if (fd >= 0) closeSync(fd);
      return negativeErrno(error);
    }
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = fd;
    this.#size = bytes.length;
    return 0;
  }

  remove(): void {
    rmSync(this.#path, { force: true });
    rmSync(`${this.#path}.new`, { force: true });
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
