import { constants } from "node:fs";
import { errno, SystemError } from "../../linux/system-error.ts";
import type { BlockSource } from "../block-source.ts";
import { FileSystemDamage } from "../file-system-error.ts";
import type { EntryStats, FileTree, TreeFile, TreeFolder } from "../file-tree.ts";
import { openPathIn } from "../open-path.ts";
import { displayPath, type RawPath } from "../raw-path.ts";
import type { Xattr } from "../xattr.ts";
import type { Ext4Directory } from "./directory.ts";
import { type Ext4Inode, inodeFlags, inlineBytes } from "./inode.ts";
import { Ext4Volume } from "./volume.ts";
import { xattrsOf } from "./xattrs.ts";

const rootInode = 2;

/**
 * The file tree of an ext4 (ext3, ext2) file system, read without mounting it: no privilege is needed, and nothing is
 * written. A file system that was not unmounted is seen as after its journal's replay.
 *
 * @param source stays the caller's; it must stay readable while the tree is used
 * @throws UnsupportedFileSystem, or FileSystemDamage, as does whatever is read from it later
 * @example
 * const tree = openExt4(new FileBlockSource("root.img"));
 * console.log(tree.top().names());
 */
export function openExt4(source: BlockSource): FileTree {
  const volume = new Ext4Volume(source);
  const root = volume.inode(rootInode, "ext4 superblock");
  if (!root.isKind(constants.S_IFDIR)) throw new FileSystemDamage(root.name, "it should be the top folder");
  return {
    top: () => new Ext4Folder(volume, volume.directory(root)),
    close: () => Promise.resolve(),
  };
}

class Ext4Folder implements TreeFolder {
  private readonly volume: Ext4Volume;
  private readonly directory: Ext4Directory;

  constructor(volume: Ext4Volume, directory: Ext4Directory) {
    this.volume = volume;
    this.directory = directory;
  }

  folder(name: RawPath): TreeFolder {
    const inode = this.inode(name, "open the folder");
    if (inode === this.directory.inode) return new Ext4Folder(this.volume, this.directory);
    if (inode.isKind(constants.S_IFLNK)) throw refused(errno.ELOOP, "open the folder", name);
    if (!inode.isKind(constants.S_IFDIR)) throw refused(errno.ENOTDIR, "open the folder", name);
    const directory = this.volume.directory(inode);
    this.directory.enter(name, directory);
    return new Ext4Folder(this.volume, directory);
  }

  names(): RawPath[] {
    return [...this.directory.names];
  }

  stat(name: RawPath): EntryStats | undefined {
    return this.find(name)?.stats();
  }

  readLink(name: RawPath): RawPath {
    const inode = this.inode(name, "read the link");
    if (!inode.isKind(constants.S_IFLNK)) throw refused(errno.EINVAL, "read the link", name);
    const target = isFastLink(inode, this.volume)
      ? inode.inline.subarray(0, inode.sizeBytes)
      : this.volume.data(inode).readAll(this.volume.superblock.blockBytes);
    return target.toString("latin1");
  }

  xattrs(name: RawPath): Xattr[] {
    return xattrsOf(this.inode(name, "read the extended attributes of"), this.volume);
  }

  openFile(name: RawPath): TreeFile {
    const inode = this.inode(name, "open");
    if (inode.isKind(constants.S_IFLNK)) throw refused(errno.ELOOP, "open", name);
    if (inode.isKind(constants.S_IFDIR)) throw refused(errno.EISDIR, "open", name);
    if (!inode.isKind(constants.S_IFREG)) throw refused(errno.ENXIO, "open", name);
    const data = this.volume.data(inode);
    return {
      sizeBytes: data.sizeBytes,
      read: (buffer, offset, length, position) => data.read(buffer, offset, length, position),
      stat: () => inode.stats(),
      close: () => undefined,
    };
  }

  openPath(path: RawPath): TreeFile {
    return openPathIn(this, path);
  }

  close(): void {
    // It holds memory only.
  }

  private inode(name: RawPath, task: string): Ext4Inode {
    const inode = this.find(name);
    if (inode === undefined) throw refused(errno.ENOENT, task, name);
    return inode;
  }

  private find(name: RawPath): Ext4Inode | undefined {
    if (name === ".") return this.directory.inode;
    const number = this.directory.entries.get(name);
    return number === undefined ? undefined : this.volume.inode(number, this.directory.inode.name);
  }
}

/** Whether a link's target is in its i_block: if it has no blocks but that of its attributes. */
function isFastLink(inode: Ext4Inode, volume: Ext4Volume): boolean {
  if ((inode.flags & (inodeFlags.inlineData | inodeFlags.extents)) !== 0 || inode.sizeBytes >= inlineBytes)
    return false;
  const attributes = inode.attributeBlock === 0 ? 0 : volume.superblock.blockBytes / 512;
  return inode.usage <= attributes;
}

function refused(number: number, task: string, name: RawPath): SystemError {
  return new SystemError(number, { syscall: task, path: displayPath(name) });
}
