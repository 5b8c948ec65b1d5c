import { FileSystemDamage } from "../file-system-error.ts";
import { type BlockMap, blockMapOf } from "./block-map.ts";
import { type Ext4Inode, inlineBytes, inodeFlags } from "./inode.ts";
import type { Ext4Volume } from "./volume.ts";
import { inlineDataTail } from "./xattrs.ts";

/** The bytes that an inode holds: a file's content, a folder's entries, a long link's target. */
export class InodeData {
  readonly sizeBytes: number;
  private readonly inode: Ext4Inode;
  private readonly volume: Ext4Volume;
  /** All of it, where it is kept in the inode (inline_data). */
  private readonly inline: Buffer | undefined;
  private readonly map: BlockMap;

  constructor(inode: Ext4Inode, volume: Ext4Volume) {
    this.inode = inode;
    this.volume = volume;
    this.sizeBytes = inode.sizeBytes;
    this.map = blockMapOf(inode, volume.blocks);
    if ((inode.flags & inodeFlags.inlineData) === 0) return;
    this.inline = Buffer.concat([inode.inline, inlineDataTail(inode, volume)]);
    if (this.inline.length < Math.max(this.sizeBytes, inlineBytes)) {
      throw new FileSystemDamage(
        inode.name,
        `it says that ${this.sizeBytes} bytes are in it; ${this.inline.length} are`,
      );
    }
  }

  /** Reads up to `length` bytes, as TreeFile does; holes and what was never written read as zeroes. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - position));
    if (this.inline !== undefined) {
      buffer.set(this.inline.subarray(position, position + wanted), offset);
      return wanted;
    }
    const { blockBytes } = this.volume.superblock;
    for (let done = 0; done < wanted;) {
      const at = position + done;
      const skip = at % blockBytes;
      const run = this.map.find(Math.floor(at / blockBytes));
      const bytes = Math.min(wanted - done, run.blocks * blockBytes - skip);
      const into = offset + done;
      if (run.physical === undefined) buffer.fill(0, into, into + bytes);
      else this.volume.blocks.read(buffer, into, bytes, run.physical, skip, this.inode.name);
      done += bytes;
    }
    return wanted;
  }

  /** All of it. @param most refused beyond so many bytes, of which there cannot be more in what it is read for */
  readAll(most: number): Buffer {
    if (this.sizeBytes > most) {
      throw new FileSystemDamage(this.inode.name, `it has a size of ${this.sizeBytes} bytes, of ${most} possible`);
    }
    const bytes = Buffer.alloc(this.sizeBytes);
    this.read(bytes, 0, bytes.length, 0);
    return bytes;
  }
}
