import { FileSystemDamage } from "../file-system-error.ts";
import { compareRaw, quotePath, type RawPath } from "../raw-path.ts";
import { type Ext4Inode, inodeFlags } from "./inode.ts";
import type { Ext4Volume } from "./volume.ts";

const headBytes = 8;
const longestRecord = 65_536;
/** Of a folder kept in its inode, the number of the parent's comes first, and the entries follow. */
const inlineParentBytes = 4;

/**
 * A folder's entries. The hash tree of a large one is passed by: its blocks look like free entries to who reads all in
 * order. (Documentation/filesystems/ext4/directory.rst)
 */
export class Ext4Directory {
  readonly inode: Ext4Inode;
  /** Inodes by name. */
  readonly entries = new Map<RawPath, number>();
  /** Inode of the folder that holds it. */
  readonly parent: number;
  private sorted: RawPath[] | undefined;
  private readonly folders = new Map<number, RawPath>();

  constructor(inode: Ext4Inode, volume: Ext4Volume) {
    this.inode = inode;
    const { blockBytes, blocks } = volume.superblock;
    if (inode.sizeBytes > blocks * blockBytes) {
      throw new FileSystemDamage(inode.name, `this folder has a size of ${inode.sizeBytes} bytes`);
    }
    const data = volume.data(inode);
    let parent: number | undefined;
    const add = (name: RawPath, number: number): void => {
      if (name === "..") parent = number;
      else if (name !== ".") this.addEntry(name, number);
    };
    if ((inode.flags & inodeFlags.inlineData) !== 0) {
      const bytes = data.readAll(blockBytes);
      if (bytes.length < inlineParentBytes) throw new FileSystemDamage(inode.name, "this folder is too short");
      parent = bytes.readUInt32LE(0);
      this.readInline(bytes, add);
    } else {
      const block = Buffer.alloc(blockBytes);
      for (let position = 0; position < data.sizeBytes; position += blockBytes) {
        data.read(block, 0, blockBytes, position);
        readEntries(block, `${inode.name}, folder block ${position / blockBytes}`, add);
      }
    }
    if (parent === undefined) throw new FileSystemDamage(inode.name, "this folder has no entry '..'");
    this.parent = parent;
  }

  /** The names, ordered by their bytes. */
  get names(): RawPath[] {
    this.sorted ??= [...this.entries.keys()].sort(compareRaw);
    return this.sorted;
  }

  /**
   * Notes that one of its entries is a folder. Each folder is in one place only, so a walk through what is noted ends,
   * whatever the file system says.
   */
  enter(name: RawPath, folder: Ext4Directory): void {
    const { number } = folder.inode;
    if (folder.parent !== this.inode.number || number === this.inode.number) {
      throw new FileSystemDamage(
        folder.inode.name,
        `this folder is in inode ${this.inode.number}, and says ${folder.parent}`,
      );
    }
    const other = this.folders.get(number);
    if (other !== undefined && other !== name) {
      const fault = `${quotePath(other)} and ${quotePath(name)} are the same folder, inode ${number}`;
      throw new FileSystemDamage(this.inode.name, fault);
    }
    this.folders.set(number, name);
  }

  /** Entries in i_block and in the extended attribute behind it are two lists: none spans both. */
  private readInline(bytes: Buffer, add: (name: RawPath, number: number) => void): void {
    const where = `${this.inode.name}, folder in the inode`;
    const { length } = this.inode.inline;
    readEntries(bytes.subarray(inlineParentBytes, length), where, add);
    readEntries(bytes.subarray(length), where, add);
  }

  private addEntry(name: RawPath, number: number): void {
    if (name === "" || name.includes("/") || name.includes("\0")) {
      throw new FileSystemDamage(this.inode.name, `it has an entry with the impossible name ${quotePath(name)}`);
    }
    if (this.entries.has(name))
      throw new FileSystemDamage(this.inode.name, `it has two entries named ${quotePath(name)}`);
    this.entries.set(name, number);
  }
}

function readEntries(bytes: Buffer, where: string, add: (name: RawPath, number: number) => void): void {
  for (let at = 0; at < bytes.length;) {
    const length = at + headBytes <= bytes.length ? recordLength(bytes.readUInt16LE(at + 4), bytes.length) : 0;
    const nameLength = length === 0 ? 0 : bytes[at + 6];
    if (length < headBytes + nameLength || length % 4 !== 0 || at + length > bytes.length) {
      throw new FileSystemDamage(where, `its entry at byte ${at} has a length of ${length}`);
    }
    const number = bytes.readUInt32LE(at);
    if (number !== 0) add(bytes.toString("latin1", at + headBytes, at + headBytes + nameLength), number);
    at += length;
  }
}

/** With blocks of 64 KiB a length may not fit 16 bits: its low two, which are always 0 otherwise, are then its highest. */
function recordLength(stored: number, areaBytes: number): number {
  if (areaBytes < longestRecord) return stored;
  if (stored === longestRecord - 1 || stored === 0) return longestRecord;
  return (stored & (longestRecord - 4)) | ((stored & 3) << 16);
}
