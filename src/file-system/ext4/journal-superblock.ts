import { FileSystemDamage, UnsupportedFileSystem } from "../file-system-error.ts";
import { journalMagic } from "./blocks.ts";

/** h_blocktype. (Documentation/filesystems/ext4/journal.rst; all of a journal is big-endian) */
export const journalBlockType = { descriptor: 1, commit: 2, superblock1: 3, superblock2: 4, revoke: 5 } as const;

/** s_feature_incompat of the journal. */
const journalIncompat = {
  revoke: 0x1,
  bits64: 0x2,
  asyncCommit: 0x4,
  checksum2: 0x8,
  checksum3: 0x10,
  fastCommit: 0x20,
} as const;
const known = Object.values(journalIncompat).reduce((all, bit) => all | bit, 0);

/** Where the log begins and ends, and the form of what is in it. */
export interface JournalSuperblock {
  /** Blocks of the journal that hold the log, a ring: from `first` up to `end`. */
  first: number;
  end: number;
  /** Block that the oldest transaction begins in; 0 when there is nothing to replay. */
  start: number;
  /** Number of that transaction. */
  sequence: number;
  bits64: boolean;
  /** Of the checksums in the log: none, their second or third form. */
  checksums: 0 | 2 | 3;
  uuid: Buffer;
}

/** Reads a journal's superblock, its block 0. @throws UnsupportedFileSystem, FileSystemDamage */
export function parseJournalSuperblock(block: Buffer, journalBlocks: number): JournalSuperblock {
  const damaged = (fault: string): FileSystemDamage => new FileSystemDamage("journal superblock", fault);
  const type = block.readUInt32BE(4);
  const isSuperblock = type === journalBlockType.superblock1 || type === journalBlockType.superblock2;
  if (block.readUInt32BE(0) !== journalMagic || !isSuperblock) throw damaged("it is none");
  const features = type === journalBlockType.superblock2 ? block.readUInt32BE(0x28) : 0;
  const end = block.readUInt32BE(0x10);
  const first = block.readUInt32BE(0x14);
  const start = block.readUInt32BE(0x1c);
  if (block.readUInt32BE(0xc) !== block.length) throw damaged(`its blocks have ${block.readUInt32BE(0xc)} bytes`);
  if (end > journalBlocks || first < 1 || first >= end) {
    throw damaged(`its log is from block ${first} to ${end}; it has ${journalBlocks} blocks`);
  }
  if (start !== 0 && (start < first || start >= end)) throw damaged(`its log begins at block ${start}, outside of it`);
  if (start !== 0) refuseUnreadable(features);
  return {
    first,
    end,
    start,
    sequence: block.readUInt32BE(0x18),
    bits64: (features & journalIncompat.bits64) !== 0,
    checksums: (features & journalIncompat.checksum3) !== 0 ? 3 : (features & journalIncompat.checksum2) !== 0 ? 2 : 0,
    uuid: Buffer.from(block.subarray(0x30, 0x40)),
  };
}

function refuseUnreadable(features: number): void {
  const unknown = (features & ~known) >>> 0;
  const checked = (features & (journalIncompat.checksum2 | journalIncompat.checksum3)) !== 0;
  const names: string[] = [];
  if (unknown !== 0) names.push(`unknown features 0x${unknown.toString(16)}`);
  if ((features & journalIncompat.fastCommit) !== 0) names.push("fast_commit");
  // Without checksums nothing tells whether the blocks of a transaction arrived before its commit did.
  if ((features & journalIncompat.asyncCommit) !== 0 && !checked) names.push("journal_async_commit without checksums");
  if (names.length === 0) return;
  throw new UnsupportedFileSystem(
    `Cannot replay the journal of the ext4 file system in memory: it has ${names.join(", ")}. ` +
      "Mount a copy of the device, or run e2fsck on it.",
  );
}
