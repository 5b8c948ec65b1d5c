import { journalMagic } from "./blocks.ts";
import { JournalChecksum } from "./journal-checksum.ts";
import { journalBlockType, type JournalSuperblock } from "./journal-superblock.ts";

const headerBytes = 12;
const revokeHeaderBytes = 16;
const uuidBytes = 16;
const tagFlags = { escaped: 1, sameUuid: 2, last: 8 } as const;

/** A block that a transaction wrote. */
export interface JournalTag {
  /** Its place in the file system. */
  readonly target: number;
  /** Its place in the log. */
  readonly logBlock: number;
  readonly escaped: boolean;
  readonly checksum: number;
}

/** A transaction that was committed. */
export interface JournalTransaction {
  readonly sequence: number;
  readonly tags: JournalTag[];
  /** Blocks that earlier transactions must not be replayed to. */
  readonly revoked: number[];
}

/**
 * Reads the log: the transactions whose commit is there. It ends where a block does not continue it, as the rest is older
 * or was never completed.
 *
 * @param read a block of the journal
 */
export function* committedTransactions(
  journal: JournalSuperblock,
  read: (logBlock: number) => Buffer,
): Generator<JournalTransaction, void> {
  const checksum = new JournalChecksum(journal);
  let transaction: JournalTransaction = { sequence: journal.sequence, tags: [], revoked: [] };
  let at = journal.start;
  let left = journal.end - journal.first;
  const next = (): number => {
    const block = at;
    at = at + 1 === journal.end ? journal.first : at + 1;
    left--;
    return block;
  };
  while (left > 0) {
    const block = read(next());
    if (block.readUInt32BE(0) !== journalMagic || block.readUInt32BE(8) !== transaction.sequence) return;
    switch (block.readUInt32BE(4)) {
      case journalBlockType.descriptor:
        if (!checksum.verifyTail(block)) return;
        for (const tag of tagsIn(block, journal)) {
          if (left <= 0) return;
          transaction.tags.push({ ...tag, logBlock: next() });
        }
        break;
      case journalBlockType.revoke:
        if (!checksum.verifyTail(block)) return;
        transaction.revoked.push(...revokedIn(block, journal));
        break;
      case journalBlockType.commit:
        if (!checksum.verifyCommit(block)) return;
        yield transaction;
        transaction = { sequence: (transaction.sequence + 1) >>> 0, tags: [], revoked: [] };
        break;
      default:
        return;
    }
  }
}

function* tagsIn(block: Buffer, journal: JournalSuperblock): Generator<Omit<JournalTag, "logBlock">, void> {
  const { checksums, bits64 } = journal;
  // The second form of checksums makes a tag two bytes longer than it would be.
  const bytes = checksums === 3 ? 16 : (bits64 ? 12 : 8) + (checksums === 2 ? 2 : 0);
  const end = block.length - (checksums === 0 ? 0 : 4);
  for (let at = headerBytes; at + bytes <= end;) {
    const flags = checksums === 3 ? block.readUInt32BE(at + 4) : block.readUInt16BE(at + 6);
    yield {
      target: block.readUInt32BE(at) + (bits64 ? block.readUInt32BE(at + 8) * 2 ** 32 : 0),
      escaped: (flags & tagFlags.escaped) !== 0,
      checksum: checksums === 3 ? block.readUInt32BE(at + 12) : block.readUInt16BE(at + 4),
    };
    if ((flags & tagFlags.last) !== 0) return;
    at += bytes + ((flags & tagFlags.sameUuid) !== 0 ? 0 : uuidBytes);
  }
}

function* revokedIn(block: Buffer, { bits64, checksums }: JournalSuperblock): Generator<number, void> {
  const end = Math.min(block.readUInt32BE(12), block.length - (checksums === 0 ? 0 : 4));
  const bytes = bits64 ? 8 : 4;
  for (let at = revokeHeaderBytes; at + bytes <= end; at += bytes) {
    yield bits64 ? block.readUInt32BE(at) * 2 ** 32 + block.readUInt32BE(at + 4) : block.readUInt32BE(at);
  }
}
