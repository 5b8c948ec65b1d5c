import { FileSystemDamage } from "../file-system-error.ts";
import { blockMapOf } from "./block-map.ts";
import type { Ext4Blocks, JournaledBlock } from "./blocks.ts";
import type { Ext4Inode } from "./inode.ts";
import { JournalChecksum } from "./journal-checksum.ts";
import { committedTransactions } from "./journal-log.ts";
import { parseJournalSuperblock } from "./journal-superblock.ts";

/**
 * Finds out what replaying the journal would write, and writes nothing: the newest logged content of each block, as the
 * place in the journal where it can be read.
 *
 * @param inode the journal's
 */
export function replayJournal(inode: Ext4Inode, blocks: Ext4Blocks): Map<number, JournaledBlock> {
  const map = blockMapOf(inode, blocks);
  const where = (logBlock: number): number => {
    const { physical } = map.find(logBlock);
    if (physical === undefined) throw new FileSystemDamage(inode.name, `block ${logBlock} of the journal is missing`);
    return physical;
  };
  const read = (logBlock: number): Buffer => {
    const bytes = Buffer.alloc(blocks.blockBytes);
    blocks.read(bytes, 0, bytes.length, where(logBlock), 0, inode.name);
    return bytes;
  };
  const journal = parseJournalSuperblock(read(0), Math.floor(inode.sizeBytes / blocks.blockBytes));
  const journaled = new Map<number, JournaledBlock>();
  if (journal.start === 0) return journaled;

  const transactions = [...committedTransactions(journal, read)];
  const revokedBy = new Map<number, number>();
  transactions.forEach(({ revoked }, index) => revoked.forEach((block) => revokedBy.set(block, index)));
  const newest = new Map<number, { sequence: number; logBlock: number; escaped: boolean; checksum: number }>();
  transactions.forEach(({ sequence, tags }, index) => {
    for (const { target, ...tag } of tags) {
      if ((revokedBy.get(target) ?? -1) < index) newest.set(target, { ...tag, sequence });
    }
  });
  const checksum = new JournalChecksum(journal);
  for (const [target, { sequence, logBlock, escaped, checksum: stored }] of newest) {
    if (target >= blocks.count) {
      throw new FileSystemDamage(`journal, transaction ${sequence}`, `it wrote to block ${target}, beyond the end`);
    }
    if (!checksum.verifyLogged(read(logBlock), sequence, stored)) {
      throw new FileSystemDamage(
        `journal, block ${logBlock}`,
        `the checksum of what it holds for block ${target} is wrong`,
      );
    }
    journaled.set(target, { block: where(logBlock), escaped });
  }
  return journaled;
}
