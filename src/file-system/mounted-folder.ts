import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import type { EntryStats, FileTree, TreeFile, TreeFolder } from "./file-tree.ts";
import { fileXattrs } from "./file-xattrs.ts";
import { openInRoot } from "./open-in-root.ts";
import { compareRaw, isAscii, type RawPath } from "./raw-path.ts";
import type { Xattr } from "./xattr.ts";

/**
 * A folder of a mounted file system, held open. Its entries are reached through the descriptor (/proc/self/fd), never by a
 * path from the top: whoever swaps a folder on the way for a link while a running container's tree is read cannot lead the
 * reader out of it.
 */
export class MountedFolder implements TreeFolder {
  private readonly fd: number;
  private readonly prefix: string;

  private constructor(fd: number) {
    this.fd = fd;
    this.prefix = `/proc/self/fd/${fd}/`;
  }

  /** Opens the top of a tree. The caller closes it. */
  static top(path: string): MountedFolder {
    return new MountedFolder(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  folder(name: RawPath): MountedFolder {
    return new MountedFolder(
      openSync(this.path(name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW),
    );
  }

  names(): RawPath[] {
    return readdirSync(this.prefix, "latin1").sort(compareRaw);
  }

  stat(name: RawPath): EntryStats | undefined {
    return lstatSync(this.path(name), { bigint: true, throwIfNoEntry: false });
  }

  readLink(name: RawPath): RawPath {
    return readlinkSync(this.path(name), "latin1");
  }

  xattrs(name: RawPath): Xattr[] {
    return fileXattrs(this.path(name));
  }

  /** Without waiting, should it have become a pipe. */
  openFile(name: RawPath): TreeFile {
    return new MountedFile(openSync(this.path(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  }

  openPath(path: RawPath): TreeFile {
    return new MountedFile(openInRoot(this.fd, path));
  }

  close(): void {
    closeSync(this.fd);
  }

  /** A path to an entry that the kernel understands while the folder is open. */
  private path(name: RawPath): string | Buffer {
    return isAscii(name) ? this.prefix + name : Buffer.from(this.prefix + name, "latin1");
  }
}

class MountedFile implements TreeFile {
  private readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  get sizeBytes(): number {
    return fstatSync(this.fd).size;
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    return readSync(this.fd, buffer, offset, length, position);
  }

  stat(): EntryStats {
    return fstatSync(this.fd, { bigint: true });
  }

  close(): void {
    closeSync(this.fd);
  }
}

/**
 * The tree of a mounted file system.
 *
 * @param path where it is mounted, or a folder in it
 */
export function mountedTree(path: string): FileTree {
  return { top: () => MountedFolder.top(path), close: () => Promise.resolve() };
}
