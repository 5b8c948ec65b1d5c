import { FileSystemDamage } from "../file-system-error.ts";
import { compareRaw } from "../raw-path.ts";
import { belongsToHost, type Xattr } from "../xattr.ts";
import { posixAcl } from "./acl.ts";
import type { Ext4Inode } from "./inode.ts";
import type { Ext4Volume } from "./volume.ts";

const magic = 0xea020000;
const blockHeaderBytes = 32;
const entryBytes = 16;
/** XATTR_SIZE_MAX of limits.h. */
const mostValueBytes = 65_536;

const systemIndex = 7;
/** e_name_index, where it stands for the beginning of a name; those of ACLs stand for the whole. */
const prefixes = new Map([
  [1, "user."],
  [2, "system.posix_acl_access"],
  [3, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
]);
const aclIndexes: ReadonlySet<number> = new Set([2, 3]);

/** An attribute as it is stored. */
interface StoredAttribute {
  index: number;
  name: string;
  value: Buffer;
}

/** The extended attributes of an inode, ordered by name, as Linux shows them to root. (Documentation/filesystems/ext4/attributes.rst) */
export function xattrsOf(inode: Ext4Inode, volume: Ext4Volume): Xattr[] {
  const found = new Map<string, Xattr>();
  for (const { index, name, value } of [...inInode(inode, volume), ...inBlock(inode, volume)]) {
    const prefix = prefixes.get(index);
    if (prefix === undefined) continue; // the file system's own, such as the rest of inline data
    const isAcl = aclIndexes.has(index);
    const fullName = isAcl ? prefix : prefix + name;
    const shown = isAcl ? posixAcl(value, inode.name) : value;
    if (!belongsToHost(fullName) && !found.has(fullName)) found.set(fullName, { name: fullName, value: shown });
  }
  return [...found.values()].sort((a, b) => compareRaw(a.name, b.name));
}

/** What of an inode's inline data does not fit into its i_block. */
export function inlineDataTail(inode: Ext4Inode, volume: Ext4Volume): Buffer {
  const tail = inInode(inode, volume).find(({ index, name }) => index === systemIndex && name === "data");
  return tail?.value ?? Buffer.alloc(0);
}

function inInode(inode: Ext4Inode, volume: Ext4Volume): StoredAttribute[] {
  if (inode.rest.length < 8 || inode.rest.readUInt32LE(0) !== magic) return [];
  const area = inode.rest.subarray(4);
  return attributesIn(area, { first: 0, where: inode.name, volume });
}

function inBlock(inode: Ext4Inode, volume: Ext4Volume): StoredAttribute[] {
  if (inode.attributeBlock === 0) return [];
  const where = `${inode.name}, extended attributes in block ${inode.attributeBlock}`;
  const block = volume.blocks.block(inode.attributeBlock, inode.name);
  if (block.readUInt32LE(0) !== magic) throw new FileSystemDamage(where, "it holds none");
  return attributesIn(block, { first: blockHeaderBytes, where, volume });
}

/** @param first where the first entry is; values are found from the beginning of the area */
function attributesIn(
  area: Buffer,
  { first, where, volume }: { first: number; where: string; volume: Ext4Volume },
): StoredAttribute[] {
  const found: StoredAttribute[] = [];
  for (let at = first; at + 4 <= area.length && area.readUInt32LE(at) !== 0;) {
    const nameEnd = at + entryBytes + area[at];
    if (nameEnd > area.length) throw new FileSystemDamage(where, "an entry is longer than what is there");
    found.push({
      index: area[at + 1],
      name: area.toString("utf8", at + entryBytes, nameEnd),
      value: valueOf(area, at, where, volume),
    });
    at = Math.ceil(nameEnd / 4) * 4;
  }
  return found;
}

function valueOf(area: Buffer, entry: number, where: string, volume: Ext4Volume): Buffer {
  const begin = area.readUInt16LE(entry + 2);
  const inodeNumber = area.readUInt32LE(entry + 4);
  const length = area.readUInt32LE(entry + 8);
  if (inodeNumber !== 0) return valueInInode(inodeNumber, length, where, volume);
  if (length > 0 && begin + length > area.length) {
    throw new FileSystemDamage(where, `a value of ${length} bytes lies beyond the end`);
  }
  return Buffer.from(area.subarray(begin, begin + length));
}

/** A large value has an inode of its own (ea_inode). */
function valueInInode(number: number, length: number, where: string, volume: Ext4Volume): Buffer {
  const value = volume.data(volume.inode(number, where)).readAll(mostValueBytes);
  if (value.length === length) return value;
  throw new FileSystemDamage(where, `a value has ${value.length} bytes in inode ${number}, not ${length}`);
}
