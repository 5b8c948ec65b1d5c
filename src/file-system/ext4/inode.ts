import { constants } from "node:fs";
import { packDevice } from "../../linux/special-files.ts";
import type { EntryStats } from "../file-tree.ts";
import { incompat, readOnlyCompat } from "./features.ts";
import type { Ext4Superblock } from "./superblock.ts";

const NANOSECONDS = 1_000_000_000n;

/** i_flags, as far as a reader cares. (Documentation/filesystems/ext4/inodes.rst) */
export const inodeFlags = { extents: 0x80000, inlineData: 0x10000000 } as const;

/** Bytes of i_block: block numbers, the root of an extent tree, a short link's target or a device's number. */
export const inlineBytes = 60;
const oldInodeBytes = 128;

/** An inode as it is on disk. */
export class Ext4Inode {
  readonly number: number;
  readonly mode: number;
  readonly links: number;
  readonly flags: number;
  readonly sizeBytes: number;
  /** Block of its extended attributes, 0 for none. */
  readonly attributeBlock: number;
  /** Sectors, or blocks, in use; only whether there are any is to be read from it. */
  readonly usage: number;
  /** i_block. */
  readonly inline: Buffer;
  /** Of an inode of more than 128 bytes: what lies behind its known fields, and may hold extended attributes. */
  readonly rest: Buffer;
  private readonly bytes: Buffer;
  private readonly extraBytes: number;

  /** @param bytes a copy that stays as it is */
  constructor(number: number, bytes: Buffer, superblock: Ext4Superblock) {
    this.number = number;
    this.bytes = bytes;
    this.mode = bytes.readUInt16LE(0x0);
    this.links = bytes.readUInt16LE(0x1a);
    this.flags = bytes.readUInt32LE(0x20);
    const hasHighSize = this.isKind(constants.S_IFREG) || (superblock.incompat & incompat.largeDirectories) !== 0;
    this.sizeBytes = bytes.readUInt32LE(0x4) + (hasHighSize ? bytes.readUInt32LE(0x6c) * 2 ** 32 : 0);
    const bits64 = (superblock.incompat & incompat.bits64) !== 0;
    this.attributeBlock = bytes.readUInt32LE(0x68) + (bits64 ? bytes.readUInt16LE(0x76) * 2 ** 32 : 0);
    const hugeFiles = (superblock.readOnlyCompat & readOnlyCompat.hugeFiles) !== 0;
    this.usage = bytes.readUInt32LE(0x1c) + (hugeFiles ? bytes.readUInt16LE(0x74) * 2 ** 32 : 0);
    this.inline = bytes.subarray(0x28, 0x28 + inlineBytes);
    this.extraBytes = bytes.length > oldInodeBytes ? bytes.readUInt16LE(0x80) : 0;
    this.rest = bytes.subarray(Math.min(bytes.length, oldInodeBytes + this.extraBytes));
  }

  /** Whether it is of a kind, given as S_IFREG and the like. */
  isKind(kind: number): boolean {
    return (this.mode & constants.S_IFMT) === kind;
  }

  /** Whether it has none of the kinds that there are. */
  get hasNoKind(): boolean {
    return !kinds.has(this.mode & constants.S_IFMT);
  }

  /** What messages call it. */
  get name(): string {
    return `inode ${this.number}`;
  }

  stats(): EntryStats {
    const { bytes } = this;
    return new Ext4Stats({
      ino: BigInt(this.number),
      mode: BigInt(this.mode),
      nlink: BigInt(this.links),
      uid: BigInt(bytes.readUInt16LE(0x2) + bytes.readUInt16LE(0x78) * 65_536),
      gid: BigInt(bytes.readUInt16LE(0x18) + bytes.readUInt16LE(0x7a) * 65_536),
      rdev: this.device(),
      size: BigInt(this.sizeBytes),
      mtimeNs: this.time(0x10, 0x88),
      ctimeNs: this.time(0xc, 0x84),
    });
  }

  /** A time: signed seconds; behind the old inode, where there is room, 2 more bits of them and 30 of nanoseconds. */
  private time(secondsAt: number, extraAt: number): bigint {
    const seconds = BigInt(this.bytes.readInt32LE(secondsAt));
    if (extraAt + 4 > Math.min(this.bytes.length, oldInodeBytes + this.extraBytes)) return seconds * NANOSECONDS;
    const extra = this.bytes.readUInt32LE(extraAt);
    return (seconds + (BigInt(extra & 3) << 32n)) * NANOSECONDS + BigInt(extra >>> 2);
  }

  private device(): bigint {
    if (!this.isKind(constants.S_IFCHR) && !this.isKind(constants.S_IFBLK)) return 0n;
    const old = this.inline.readUInt32LE(0);
    if (old !== 0) return packDevice((old >>> 8) & 0xff, old & 0xff);
    const number = this.inline.readUInt32LE(4);
    return packDevice((number >>> 8) & 0xfff, (number & 0xff) | ((number >>> 12) & 0xfff00));
  }
}

const kinds: ReadonlySet<number> = new Set([
  constants.S_IFREG,
  constants.S_IFDIR,
  constants.S_IFLNK,
  constants.S_IFCHR,
  constants.S_IFBLK,
  constants.S_IFIFO,
  constants.S_IFSOCK,
]);

type StatFields = Pick<EntryStats, "ino" | "mode" | "nlink" | "uid" | "gid" | "rdev" | "size" | "mtimeNs" | "ctimeNs">;

class Ext4Stats implements EntryStats {
  readonly ino: bigint;
  readonly mode: bigint;
  readonly nlink: bigint;
  readonly uid: bigint;
  readonly gid: bigint;
  readonly rdev: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  private readonly kind: number;

  constructor(fields: StatFields) {
    this.ino = fields.ino;
    this.mode = fields.mode;
    this.nlink = fields.nlink;
    this.uid = fields.uid;
    this.gid = fields.gid;
    this.rdev = fields.rdev;
    this.size = fields.size;
    this.mtimeNs = fields.mtimeNs;
    this.ctimeNs = fields.ctimeNs;
    this.kind = Number(fields.mode) & constants.S_IFMT;
  }

  isFile(): boolean {
    return this.kind === constants.S_IFREG;
  }

  isDirectory(): boolean {
    return this.kind === constants.S_IFDIR;
  }

  isSymbolicLink(): boolean {
    return this.kind === constants.S_IFLNK;
  }

  isFIFO(): boolean {
    return this.kind === constants.S_IFIFO;
  }

  isSocket(): boolean {
    return this.kind === constants.S_IFSOCK;
  }

  isBlockDevice(): boolean {
    return this.kind === constants.S_IFBLK;
  }

  isCharacterDevice(): boolean {
    return this.kind === constants.S_IFCHR;
  }
}
