import type { RawPath } from "./raw-path.ts";
import type { Xattr } from "./xattr.ts";

/** What is known of an entry without opening it: the part of node's BigIntStats that layers are made from. */
export interface EntryStats {
  /** The inode's number; entries that share it are hard links. */
  readonly ino: bigint;
  /** Kind and permission bits, as stat(2) has them. */
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  /** A device node's number, packed as stat(2) does (see linux/special-files.ts); otherwise 0. */
  readonly rdev: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Nanoseconds since 1970, before it negative. */
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
}

/** A regular file, open for reading. */
export interface TreeFile {
  readonly sizeBytes: number;
  /**
   * Reads up to `length` bytes from `position` in the file to `offset` in the buffer.
   *
   * @returns bytes read; 0 at the end
   */
  read(buffer: Uint8Array, offset: number, length: number, position: number): number;
  /** Its status now, which may be another than when the folder was read. */
  stat(): EntryStats;
  close(): void;
}

/**
 * A folder of a file tree, open for reading. Names are single path components; "." is the folder itself. What the file
 * system refuses is thrown with the system's `code` (ENOENT, ENOTDIR, ELOOP …).
 */
export interface TreeFolder {
  /** Opens a folder in it; the caller closes it. @throws ENOTDIR or ELOOP when it is not one (any more) */
  folder(name: RawPath): TreeFolder;
  /** Names of its entries, without "." and "..", ordered by their bytes. */
  names(): RawPath[];
  /** An entry's status (a link's own), undefined when there is none of that name. */
  stat(name: RawPath): EntryStats | undefined;
  /** A symbolic link's target. */
  readLink(name: RawPath): RawPath;
  /** Extended attributes (a link's own), ordered by name, without those that belong to a host; see xattr.ts. */
  xattrs(name: RawPath): Xattr[];
  /** Opens a regular file; the caller closes it. A link is not followed. */
  openFile(name: RawPath): TreeFile;
  /**
   * Opens a regular file by its path as a process would whose root is this folder: links on the way are followed, absolute
   * ones and ".." too, and all of them stay inside. A link at the end is not followed.
   */
  openPath(path: RawPath): TreeFile;
  close(): void;
}

/** A whole file system, mounted or not. */
export interface FileTree {
  /** Opens its top folder; the caller closes it, before the tree. */
  top(): TreeFolder;
  /** Lets go of what holds the tree: a device, a mount. */
  close(): Promise<void>;
}
