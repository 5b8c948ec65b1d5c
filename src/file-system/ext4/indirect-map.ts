import { FileSystemDamage } from "../file-system-error.ts";
import type { BlockMap, BlockRun } from "./block-map.ts";
import type { Ext4Blocks } from "./blocks.ts";
import type { Ext4Inode } from "./inode.ts";

const directBlocks = 12;
const mostLevels = 3;

/** The block map of ext2 and ext3: block numbers in the inode, and in blocks of them up to three levels deep. */
export class IndirectMap implements BlockMap {
  private readonly inode: Ext4Inode;
  private readonly blocks: Ext4Blocks;
  private readonly perBlock: number;

  constructor(inode: Ext4Inode, blocks: Ext4Blocks) {
    this.inode = inode;
    this.blocks = blocks;
    this.perBlock = blocks.blockBytes / 4;
  }

  find(block: number): BlockRun {
    if (block < directBlocks) return runAt(this.inode.inline, block, directBlocks);
    let rest = block - directBlocks;
    for (let level = 1, span = this.perBlock; level <= mostLevels; level++, span *= this.perBlock) {
      if (rest < span)
        return this.findBelow(this.inode.inline.readUInt32LE((directBlocks + level - 1) * 4), rest, span);
      rest -= span;
    }
    throw new FileSystemDamage(this.inode.name, `its block ${block} is beyond what its block map can hold`);
  }

  /** @param span how many blocks of the file are below the pointer */
  private findBelow(pointer: number, rest: number, span: number): BlockRun {
    if (pointer === 0) return { physical: undefined, blocks: span - rest };
    const table = this.blocks.block(pointer, `${this.inode.name}, block map`);
    const below = span / this.perBlock;
    if (below === 1) return runAt(table, rest, this.perBlock);
    return this.findBelow(table.readUInt32LE(Math.floor(rest / below) * 4), rest % below, below);
  }
}

/** The consecutive blocks, or the hole, that begin at an entry of a table. */
function runAt(table: Buffer, entry: number, entries: number): BlockRun {
  const physical = table.readUInt32LE(entry * 4);
  let blocks = 1;
  while (entry + blocks < entries && table.readUInt32LE((entry + blocks) * 4) === (physical && physical + blocks))
    blocks++;
  return { physical: physical === 0 ? undefined : physical, blocks };
}
