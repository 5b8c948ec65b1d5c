import { type BigIntStats, closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { isAscii, type RawPath } from "./raw-path.ts";

/**
 * A folder held open. Its entries are reached through the descriptor (/proc/self/fd), never by a path from the top: whoever
 * swaps a folder on the way for a link while a running container's tree is read cannot lead the reader out of it.
 */
export class OpenFolder {
  private readonly fd: number;
  private readonly prefix: string;

  private constructor(fd: number) {
    this.fd = fd;
    this.prefix = `/proc/self/fd/${fd}/`;
  }

  /** Opens the top of a tree. */
  static top(path: string): OpenFolder {
    return new OpenFolder(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  /** Opens a folder in it. @throws ENOTDIR or ELOOP when it is not one (any more) */
  folder(name: RawPath): OpenFolder {
    return new OpenFolder(openSync(this.path(name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  }

  /** Names of its entries, ordered by their bytes. */
  names(): RawPath[] {
    return readdirSync(this.prefix, "latin1").sort(compareRaw);
  }

  /** An entry's status, undefined when there is none of that name; "." is the folder itself. */
  stat(name: RawPath): BigIntStats | undefined {
    return lstatSync(this.path(name), { bigint: true, throwIfNoEntry: false });
  }

  /** Opens a regular file for reading, without waiting should it have become a pipe. */
  openFile(name: RawPath): number {
    return openSync(this.path(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  }

  /** A symbolic link's target. */
  readLink(name: RawPath): RawPath {
    return readlinkSync(this.path(name), "latin1");
  }

  /** A path to an entry that the kernel understands while the folder is open. */
  path(name: RawPath): string | Buffer {
    return isAscii(name) ? this.prefix + name : Buffer.from(this.prefix + name, "latin1");
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Orders raw names by their bytes. */
export function compareRaw(a: RawPath, b: RawPath): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
