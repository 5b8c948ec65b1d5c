import { FileSystemDamage } from "../file-system-error.ts";
import type { BlockMap, BlockRun } from "./block-map.ts";
import type { Ext4Blocks } from "./blocks.ts";
import type { Ext4Inode } from "./inode.ts";

const magic = 0xf30a;
const headerBytes = 12;
const entryBytes = 12;
const deepest = 5;
/** A longer extent is an unwritten one, of so many blocks less. */
const longestWritten = 32_768;
const endOfFile = 2 ** 32;

/** An extent tree, whose root is in the inode. (Documentation/filesystems/ext4/ifork.rst) */
export class ExtentMap implements BlockMap {
  private readonly inode: Ext4Inode;
  private readonly blocks: Ext4Blocks;

  constructor(inode: Ext4Inode, blocks: Ext4Blocks) {
    this.inode = inode;
    this.blocks = blocks;
  }

  find(block: number): BlockRun {
    let node = this.inode.inline;
    let where = `${this.inode.name}, root of its extent tree`;
    // Nothing below the node is mapped from here on.
    let end = endOfFile;
    const depth = this.depthOf(node, where, deepest);
    for (let level = depth; ; level--) {
      const entries = node.readUInt16LE(2);
      const index = lastNotAbove(node, entries, block);
      if (index + 1 < entries) end = Math.min(end, logicalOf(node, index + 1));
      if (end <= block) throw new FileSystemDamage(where, `its entry ${index + 1} is out of order`);
      if (index < 0) return { physical: undefined, blocks: end - block };
      if (level === 0) return runIn(node, index, block, end);
      const child = childOf(node, index);
      where = `${this.inode.name}, extent tree block ${child}`;
      node = this.blocks.block(child, `${this.inode.name}, extent tree`);
      // Its depth must be one less than its parent's, so no chain of nodes is longer than the root says.
      if (this.depthOf(node, where, level - 1) !== level - 1) {
        throw new FileSystemDamage(where, `it is at depth ${node.readUInt16LE(6)}, not ${level - 1}`);
      }
    }
  }

  private depthOf(node: Buffer, where: string, most: number): number {
    if (node.readUInt16LE(0) !== magic) throw new FileSystemDamage(where, "it is no extent node");
    const entries = node.readUInt16LE(2);
    const room = node.readUInt16LE(4);
    const depth = node.readUInt16LE(6);
    if (entries > room || headerBytes + room * entryBytes > node.length) {
      throw new FileSystemDamage(where, `it says that it has ${entries} entries and room for ${room}`);
    }
    if (depth > most) throw new FileSystemDamage(where, `it is at depth ${depth}, deeper than ${most}`);
    return depth;
  }
}

function runIn(leaf: Buffer, index: number, block: number, end: number): BlockRun {
  const at = headerBytes + index * entryBytes;
  const first = leaf.readUInt32LE(at);
  const length = leaf.readUInt16LE(at + 4);
  const written = length <= longestWritten;
  const past = first + (written ? length : length - longestWritten);
  if (block >= past) return { physical: undefined, blocks: end - block };
  const blocks = Math.min(past, end) - block;
  if (!written) return { physical: undefined, blocks };
  const start = leaf.readUInt16LE(at + 6) * 2 ** 32 + leaf.readUInt32LE(at + 8);
  return { physical: start + block - first, blocks };
}

function childOf(node: Buffer, index: number): number {
  const at = headerBytes + index * entryBytes;
  return node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
}

function logicalOf(node: Buffer, index: number): number {
  return node.readUInt32LE(headerBytes + index * entryBytes);
}

/** The last entry that does not begin after a block, -1 for none. */
function lastNotAbove(node: Buffer, entries: number, block: number): number {
  let below = -1;
  let above = entries;
  while (above - below > 1) {
    const middle = (below + above) >>> 1;
    if (logicalOf(node, middle) <= block) below = middle;
    else above = middle;
  }
  return below;
}
