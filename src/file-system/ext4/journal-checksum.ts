import { crc32c } from "../../linux/crc32c.ts";
import type { JournalSuperblock } from "./journal-superblock.ts";

const commitChecksumAt = 16;

/** The checksums of a journal's blocks: CRC-32C without the inversions at either end, seeded with that of its UUID. */
export class JournalChecksum {
  private readonly form: JournalSuperblock["checksums"];
  private readonly seed: number;

  constructor({ checksums, uuid }: JournalSuperblock) {
    this.form = checksums;
    this.seed = rawCrc(0xffffffff, uuid);
  }

  /** Of a descriptor or revoke block, whose last four bytes hold it. */
  verifyTail(block: Buffer): boolean {
    return this.form === 0 || this.verify(block, block.length - 4);
  }

  verifyCommit(block: Buffer): boolean {
    return this.form === 0 || this.verify(block, commitChecksumAt);
  }

  /** Of a block as it is in the log; its tag holds it, in the second form half of it. */
  verifyLogged(block: Buffer, sequence: number, stored: number): boolean {
    if (this.form === 0) return true;
    const number = Buffer.alloc(4);
    number.writeUInt32BE(sequence);
    const found = rawCrc(rawCrc(this.seed, number), block);
    return this.form === 3 ? found === stored : (found & 0xffff) === stored;
  }

  private verify(block: Buffer, at: number): boolean {
    const copy = Buffer.from(block);
    copy.writeUInt32BE(0, at);
    return rawCrc(this.seed, copy) === block.readUInt32BE(at);
  }
}

function rawCrc(seed: number, bytes: Buffer): number {
  return ~crc32c(bytes, ~seed >>> 0) >>> 0;
}
