import { errno } from "../linux/system-error.ts";
import type { DataDevice } from "./data-device.ts";
import type { DeviceMapping } from "./device-mapping.ts";
import { needsCommit } from "./pool-core.ts";
import type { PoolCore, TransactionMember } from "./pool-core.ts";
import type { RequestStatus } from "./request-status.ts";

/** New mappings made between two journal appends at most. */
const planBlocks = 64;
/** Blocks up to this size are assembled in memory and written at once; larger ones are filled piece by piece. */
export const scratchBytes = 1024 * 1024;

/**
 * New data in neighbouring blocks that is worth being written to the disk ahead of the commit, which flushes within a
 * second: so the disk works while the engine does. Streams of first writes take half the time with it.
 */
const writebackBytes = 8 * 1024 * 1024;

/** What the writer needs to know of a volume. */
export interface WritableVolume extends TransactionMember {
  readonly id: number;
  readonly mapping: DeviceMapping;
  readonly origin: DataDevice | undefined;
}

/**
 * Writes to volumes: provisions, breaks sharing, merges neighbouring data blocks into one write. One per pool; a
 * request is done when `write` returns, so its state is kept in fields and nothing is allocated.
 *
 * Order matters to a crash: data first, then the mapping, then its journal record, then the reply. A block that is
 * allocated but not mapped yet is in the plan, and no commit happens while the plan holds any.
 */
export class BlockWriter {
  readonly #core: PoolCore;
  readonly #data: DataDevice;
  readonly #blockBytes: number;
  readonly #scratch: Uint8Array;
  readonly #planVirtual = new Float64Array(planBlocks);
  readonly #planData = new Float64Array(planBlocks);
  #planned = 0;
  #buffer: Uint8Array;
  #runOffset = 0;
  #runBuffer = 0;
  #runLength = 0;
  /** Neighbouring data blocks, new and not being written back yet. */
  #newBegin = 0;
  #newEnd = 0;
  /** The request's status when `#provision` gave no block. */
  #status: RequestStatus = 0;
  /** `#provision` wrote the segment along with the rest of the block. */
  #written = false;

  constructor(core: PoolCore) {
    this.#core = core;
    this.#data = core.data;
    this.#blockBytes = core.blockBytes;
    this.#scratch = new Uint8Array(Math.min(core.blockBytes, scratchBytes));
    this.#buffer = this.#scratch;
  }

  /** Writes `length` bytes at `offset` of a volume. May throw what the metadata throws: then call `reset`. */
  write(
    volume: WritableVolume,
    buffer: Uint8Array,
    bufferOffset: number,
    offset: number,
    length: number,
  ): RequestStatus {
    const { mapping } = volume;
    const blockBytes = this.#blockBytes;
    this.#buffer = buffer;
    this.#runLength = 0;
    let virtualBlock = Math.floor(offset / blockBytes);
    let within = offset - virtualBlock * blockBytes;
    for (let done = 0; done < length; virtualBlock++) {
      const segment = Math.min(blockBytes - within, length - done);
      let dataBlock = mapping.lookup(virtualBlock);
      this.#written = false;
      if (dataBlock < 0 || mapping.isShared()) {
        dataBlock = this.#provision(volume, virtualBlock, dataBlock, bufferOffset + done, within, segment);
        if (dataBlock < 0) {
          const status = this.#finish(volume);
          return status !== 0 ? status : this.#status;
        }
      }
      if (!this.#wroteBlock()) {
        const status = this.#run(dataBlock * blockBytes + within, bufferOffset + done, segment);
        if (status !== 0) return this.#cancel(status);
      }
      done += segment;
      within = 0;
    }
    return this.#finish(volume);
  }

  #wroteBlock(): boolean {
    return this.#written;
  }

  /** Forgets a request that was ended by an exception, after the transaction was aborted. */
  reset(): void {
    this.#planned = 0;
    this.#runLength = 0;
  }

  /** Takes a data block for a virtual block and fills what the segment leaves of it; -1: see `#status`. */
  #provision(
    volume: WritableVolume,
    virtualBlock: number,
    sharedBlock: number,
    bufferOffset: number,
    within: number,
    segment: number,
  ): number {
    const dataBlock = this.#allocate(volume);
    if (dataBlock < 0) return -1;
    this.#planVirtual[this.#planned] = virtualBlock;
    this.#planData[this.#planned++] = dataBlock;
    if (segment === this.#blockBytes) return dataBlock;
    const status = this.#fill(volume, virtualBlock, sharedBlock, dataBlock, bufferOffset, within, segment);
    if (status === 0) return dataBlock;
    this.#status = this.#cancel(status);
    return -1;
  }

  #allocate(volume: WritableVolume): number {
    const core = this.#core;
    let status = this.#planned === planBlocks ? this.#finish(volume) : 0;
    if (status === 0) status = core.readiness();
    if (status === 0) {
      const block = core.metadata.allocateDataBlock();
      if (block >= 0) {
        core.checkLowWaterMark();
        return block;
      }
      status = needsCommit;
    }
    if (status === needsCommit) {
      status = this.#finish(volume);
      if (status === 0) status = core.commitForSpace();
      if (status === 0) {
        const block = core.metadata.allocateDataBlock();
        if (block >= 0) return block;
        status = core.outOfDataSpace();
      }
    }
    this.#status = status;
    return -1;
  }

  /** Fills a new block around the segment: with the shared block's or the origin's data, or with zeroes. */
  #fill(
    volume: WritableVolume,
    virtualBlock: number,
    sharedBlock: number,
    dataBlock: number,
    bufferOffset: number,
    within: number,
    segment: number,
  ): number {
    const blockBytes = this.#blockBytes;
    const target = dataBlock * blockBytes;
    const after = within + segment;
    let source: DataDevice | undefined;
    let sourceOffset = 0;
    if (sharedBlock >= 0) {
      source = this.#data;
      sourceOffset = sharedBlock * blockBytes;
    } else if (volume.origin !== undefined && virtualBlock * blockBytes < volume.origin.sizeBytes) {
      source = volume.origin;
      sourceOffset = virtualBlock * blockBytes;
    } else if (this.#core.table.skipBlockZeroing) return 0;
    if (source?.isHole(sourceOffset, blockBytes)) source = undefined;

    if (source === undefined && this.#data.isHole(target, blockBytes)) return 0;
    if (blockBytes > this.#scratch.length) {
      const status = this.#fillPieces(source, sourceOffset, target, within);
      return status !== 0 ? status : this.#fillPieces(source, sourceOffset + after, target + after, blockBytes - after);
    }
    const scratch = this.#scratch;
    if (source === undefined) {
      scratch.fill(0, 0, within);
      scratch.fill(0, after);
    } else {
      const status = source.read(scratch, 0, sourceOffset, blockBytes);
      if (status !== 0) return status;
    }
    scratch.set(this.#buffer.subarray(bufferOffset, bufferOffset + segment), within);
    this.#written = true;
    const status = this.#data.write(scratch, 0, target, blockBytes);
    if (status === 0) this.#core.dataWritten();
    return status;
  }

  #fillPieces(source: DataDevice | undefined, sourceOffset: number, target: number, length: number): number {
    if (source === undefined) return length === 0 ? 0 : this.#data.zero(target, length);
    for (let done = 0; done < length; done += this.#scratch.length) {
      const piece = Math.min(this.#scratch.length, length - done);
      let status: number;
      if (source.isHole(sourceOffset + done, piece)) status = this.#data.zero(target + done, piece);
      else {
        status = source.read(this.#scratch, 0, sourceOffset + done, piece);
        if (status === 0) status = this.#data.write(this.#scratch, 0, target + done, piece);
      }
      if (status !== 0) return status;
    }
    return 0;
  }

  /** Adds a piece to the run of neighbouring bytes, writing out the run it does not continue. */
  #run(dataOffset: number, bufferOffset: number, length: number): number {
    if (
      this.#runLength > 0 &&
      dataOffset === this.#runOffset + this.#runLength &&
      bufferOffset === this.#runBuffer + this.#runLength
    ) {
      this.#runLength += length;
      return 0;
    }
    const status = this.#writeRun();
    this.#runOffset = dataOffset;
    this.#runBuffer = bufferOffset;
    this.#runLength = length;
    return status;
  }

  #writeRun(): number {
    if (this.#runLength === 0) return 0;
    const length = this.#runLength;
    this.#runLength = 0;
    const status = this.#data.write(this.#buffer, this.#runBuffer, this.#runOffset, length);
    if (status === 0) this.#core.dataWritten();
    return status;
  }

  /** Writes the open run, then maps what the plan holds and journals it. */
  #finish(volume: WritableVolume): RequestStatus {
    const written = this.#writeRun();
    if (written !== 0) return this.#cancel(written);
    if (this.#planned === 0) return 0;
    const core = this.#core;
    let status = 0;
    for (let index = 0; index < this.#planned; index++) {
      const freed = volume.mapping.insert(this.#planVirtual[index], this.#planData[index]);
      if (freed >= 0) core.noteFreed(freed);
      const noted = core.journal.insert(volume.id, this.#planVirtual[index], this.#planData[index]);
      if (status === 0) status = noted;
      this.#writeBehind(this.#planData[index]);
    }
    this.#planned = 0;
    volume.changed = true;
    core.touch();
    const flushed = core.journal.flush();
    return core.journaled(status !== 0 ? status : flushed);
  }

  #writeBehind(dataBlock: number): void {
    if (dataBlock !== this.#newEnd) this.#newBegin = dataBlock;
    this.#newEnd = dataBlock + 1;
    const length = (this.#newEnd - this.#newBegin) * this.#blockBytes;
    if (length < writebackBytes) return;
    this.#data.startWriteback(this.#newBegin * this.#blockBytes, length);
    this.#newBegin = this.#newEnd;
  }

  /** The data device failed: gives back what was planned. @returns what the request ends with */
  #cancel(status: number): RequestStatus {
    for (let index = 0; index < this.#planned; index++) this.#core.metadata.releaseDataBlock(this.#planData[index]);
    this.#planned = 0;
    this.#runLength = 0;
    return this.#core.dataFailed(status);
  }
}

/** A request outside of its volume. */
export const outOfRange = -errno.EINVAL;
