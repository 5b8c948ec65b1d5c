import type { JournalFile } from "./journal-file.ts";
import { decodeRecords, encodeRecord, insertRecordBytes, writeInsertRecord } from "./journal-record.ts";
import type { JournalRecord } from "./journal-record.ts";
import { activation } from "./pool-session.ts";
import type { PoolSession } from "./pool-session.ts";

/** What a crashed engine left. */
export interface JournalRemains {
  /** All records behind the start, whole and in order; none when the journal is of another boot. */
  readonly records: JournalRecord[];
  /** Whether the block changes among them extend the superblock asked for. */
  readonly extendsSuperblock: boolean;
}

/** A data block run that a commit freed, to be passed down. */
export interface FreedRun {
  readonly dataBlock: number;
  readonly blocks: number;
}

/** Most insert records in one append. */
const batchRecords = 64;

/**
 * The uncommitted changes of a pool, appended before each reply and replayed by the engine after a crash.
 *
 * It starts with the boot it belongs to and the superblock it extends; block changes are void over any other. What it
 * says of the session (active volumes, answers) holds in either case: those records describe the same engine, whether
 * its last commit got as far as a new journal or not.
 */
export class Journal {
  readonly #file: JournalFile | undefined;
  readonly #bootId: string;
  readonly #batch = new Uint8Array(batchRecords * insertRecordBytes);
  readonly #batchView = new DataView(this.#batch.buffer);
  /** Records of the session's entries, which change seldom and are carried over by each commit. */
  readonly #encoded = new WeakMap<object, Uint8Array>();
  #batchLength = 0;
  #device = -1;
  #virtualBlock = -1;
  #dataBlock = -1;
  #blocks = 0;
  /** Bytes appended since the last start. */
  sizeBytes = 0;

  /** @param file undefined: no journal is kept */
  constructor(file: JournalFile | undefined, bootId: string) {
    this.#file = file;
    this.#bootId = bootId;
  }

  /** What there is to replay over the superblock with this checksum. */
  remains(superblock: string): JournalRemains {
    const records = this.#file === undefined ? [] : [...decodeRecords(this.#file.contents())];
    const start = records.shift();
    if (start?.kind !== "start" || start.bootId !== this.#bootId) return { records: [], extendsSuperblock: false };
    return { records, extendsSuperblock: start.superblock === superblock };
  }

  /** Begins an empty journal over a superblock just committed; carries over the session and what is to be passed down. */
  start(superblock: string, session: PoolSession, freed: readonly FreedRun[]): number {
    this.#batchLength = 0;
    this.#blocks = 0;
    this.sizeBytes = 0;
    if (this.#file === undefined) return 0;
    const parts = [encodeRecord({ kind: "start", bootId: this.#bootId, superblock })];
    for (const run of freed) parts.push(encodeRecord({ kind: "freed", ...run }));
    for (const volume of session.active.values()) {
      parts.push(this.#encodedOnce(volume, () => activation(volume, undefined)));
    }
    for (const remembered of session.answers()) {
      parts.push(this.#encodedOnce(remembered, () => ({ kind: "answer", ...remembered })));
    }
    return this.#file.replace(Buffer.concat(parts));
  }

  /** Notes a new mapping; neighbours become one record. Written by the next `flush` (or sooner). */
  insert(device: number, virtualBlock: number, dataBlock: number): number {
    if (
      this.#blocks > 0 &&
      device === this.#device &&
      virtualBlock === this.#virtualBlock + this.#blocks &&
      dataBlock === this.#dataBlock + this.#blocks
    ) {
      this.#blocks++;
      return 0;
    }
    const status = this.#blocks > 0 ? this.#pack() : 0;
    this.#device = device;
    this.#virtualBlock = virtualBlock;
    this.#dataBlock = dataBlock;
    this.#blocks = 1;
    return status;
  }

  /** Writes the noted mappings, with one write. */
  flush(): number {
    const status = this.#blocks > 0 ? this.#pack() : 0;
    this.#blocks = 0;
    const written = this.#write();
    return status !== 0 ? status : written;
  }

  /** Appends any other record. */
  append(record: JournalRecord): number {
    if (this.#file === undefined) return 0;
    const bytes = encodeRecord(record);
    const status = this.#file.append(bytes, bytes.length);
    if (status === 0) this.sizeBytes += bytes.length;
    return status;
  }

  /** Removes the journal: nothing is left to replay. */
  remove(): void {
    this.#file?.remove();
  }

  close(): void {
    this.#file?.close();
  }

  #encodedOnce(entry: object, record: () => JournalRecord): Uint8Array {
    let bytes = this.#encoded.get(entry);
    if (bytes === undefined) this.#encoded.set(entry, (bytes = encodeRecord(record())));
    return bytes;
  }

  #pack(): number {
    writeInsertRecord(
      this.#batch,
      this.#batchView,
      this.#batchLength,
      this.#device,
      this.#virtualBlock,
      this.#dataBlock,
      this.#blocks,
    );
    this.#batchLength += insertRecordBytes;
    return this.#batchLength === this.#batch.length ? this.#write() : 0;
  }

  #write(): number {
    const length = this.#batchLength;
    this.#batchLength = 0;
    if (this.#file === undefined || length === 0) return 0;
    const status = this.#file.append(this.#batch, length);
    if (status === 0) this.sizeBytes += length;
    return status;
  }
}
