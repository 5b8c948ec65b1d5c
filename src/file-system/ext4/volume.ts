import type { BlockSource } from "../block-source.ts";
import { FileSystemDamage } from "../file-system-error.ts";
import { Ext4Blocks } from "./blocks.ts";
import { Ext4Directory } from "./directory.ts";
import { GroupDescriptors } from "./group-descriptors.ts";
import { Ext4Inode } from "./inode.ts";
import { InodeData } from "./inode-data.ts";
import { replayJournal } from "./journal-replay.ts";
import { type Ext4Superblock, parseSuperblock, superblockBytes, superblockPosition } from "./superblock.ts";

const MOST_CACHED_ENTRIES = 100_000;

/** An ext4 file system: its inodes by number. */
export class Ext4Volume {
  readonly superblock: Ext4Superblock;
  readonly blocks: Ext4Blocks;
  private readonly groups: GroupDescriptors;
  private readonly directories = new Map<number, Ext4Directory>();
  private cachedEntries = 0;

  /**
   * Opens a file system. One that was not unmounted is seen as after its journal's replay, which takes place in memory.
   *
   * @throws UnsupportedFileSystem when it cannot be read here; FileSystemDamage
   */
  constructor(source: BlockSource) {
    const superblock = readSuperblock(source);
    this.blocks = new Ext4Blocks(source, superblock.blockBytes, superblock.blocks);
    if (!superblock.needsRecovery) {
      this.superblock = superblock;
    } else {
      const before = new GroupDescriptors(superblock, this.blocks);
      const journal = new Ext4Inode(
        superblock.journalInode,
        before.inodeBytes(superblock.journalInode, "ext4 superblock"),
        superblock,
      );
      this.blocks.overlay(replayJournal(journal, this.blocks));
      this.superblock = this.replayedSuperblock(superblock);
    }
    this.groups = new GroupDescriptors(this.superblock, this.blocks);
  }

  /**
   * An inode that is in use.
   *
   * @param of what refers to it, for the error
   */
  inode(number: number, of: string): Ext4Inode {
    const inode = new Ext4Inode(number, this.groups.inodeBytes(number, of), this.superblock);
    if (inode.links === 0) throw new FileSystemDamage(inode.name, `${of} refers to it, and it is not in use`);
    if (inode.hasNoKind) {
      throw new FileSystemDamage(inode.name, `its mode 0${inode.mode.toString(8)} is of no kind of file`);
    }
    const limit = this.superblock.blockBytes * 2 ** 32;
    if (inode.sizeBytes > limit) throw new FileSystemDamage(inode.name, `it has a size of ${inode.sizeBytes} bytes`);
    return inode;
  }

  /** What an inode holds. */
  data(inode: Ext4Inode): InodeData {
    return new InodeData(inode, this);
  }

  /** A folder's entries; the latest are kept. */
  directory(inode: Ext4Inode): Ext4Directory {
    const known = this.directories.get(inode.number);
    if (known !== undefined) return known;
    const directory = new Ext4Directory(inode, this);
    this.directories.set(inode.number, directory);
    this.cachedEntries += directory.entries.size;
    for (const [number, oldest] of this.directories) {
      if (this.cachedEntries <= MOST_CACHED_ENTRIES || number === inode.number) break;
      this.directories.delete(number);
      this.cachedEntries -= oldest.entries.size;
    }
    return directory;
  }

  /** The journal may hold a newer superblock, after a resize. */
  private replayedSuperblock(before: Ext4Superblock): Ext4Superblock {
    const bytes = Buffer.alloc(superblockBytes);
    const block = Math.floor(superblockPosition / before.blockBytes);
    this.blocks.read(bytes, 0, bytes.length, block, superblockPosition % before.blockBytes, "ext4 superblock");
    const after = parseSuperblock(bytes);
    if (after.blockBytes !== before.blockBytes || after.blocks !== before.blocks) {
      throw new FileSystemDamage(
        "ext4 superblock",
        `its journal changes ${before.blocks} blocks of ${before.blockBytes} bytes to ${after.blocks} of ${after.blockBytes}`,
      );
    }
    return after;
  }
}

function readSuperblock(source: BlockSource): Ext4Superblock {
  const bytes = Buffer.alloc(superblockBytes);
  if (source.sizeBytes >= superblockPosition + superblockBytes) {
    source.read(bytes, 0, bytes.length, superblockPosition);
  }
  const superblock = parseSuperblock(bytes);
  const { blocks, blockBytes } = superblock;
  if (blocks * blockBytes <= source.sizeBytes) return superblock;
  throw new FileSystemDamage(
    "ext4 superblock",
    `it says that there are ${blocks} blocks of ${blockBytes} bytes; the device has ${source.sizeBytes} bytes`,
  );
}
