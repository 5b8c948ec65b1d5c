import { errno } from "../linux/system-error.ts";
import type { BlockWriter, WritableVolume } from "./block-writer.ts";
import { outOfRange } from "./block-writer.ts";
import type { DataDevice } from "./data-device.ts";
import type { DeviceMapping } from "./device-mapping.ts";
import { negativeErrno } from "./negative-errno.ts";
import type { PoolCore } from "./pool-core.ts";
import { poolMode } from "./pool-mode.ts";
import type { RequestStatus } from "./request-status.ts";
import { unmapBlocks, zeroRange } from "./volume-zeroing.ts";

/** How far a hole is looked for. */
const mostSeekBlocks = 2 ** 14;

/**
 * An active thin device. Offsets and lengths are bytes from its start; a request may have any alignment and length
 * that lies inside the device. No method throws; see `RequestStatus`.
 */
export class ThinVolume implements WritableVolume {
  readonly id: number;
  readonly mapping: DeviceMapping;
  readonly origin: DataDevice | undefined;
  sizeBytes: number;
  changed = false;
  lostChanges = false;
  readonly #core: PoolCore;
  readonly #writer: BlockWriter;
  readonly #data: DataDevice;
  readonly #blockBytes: number;

  /** Made by `Pool.activate`. */
  constructor(core: PoolCore, writer: BlockWriter, mapping: DeviceMapping, sizeBytes: number, origin?: DataDevice) {
    this.#core = core;
    this.#writer = writer;
    this.#data = core.data;
    this.#blockBytes = core.blockBytes;
    this.id = mapping.id;
    this.mapping = mapping;
    this.sizeBytes = sizeBytes;
    this.origin = origin;
  }

  read(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): RequestStatus {
    if (this.#outside(offset, length)) return outOfRange;
    if (this.#core.mode === poolMode.fail) return -errno.EIO;
    try {
      return this.#read(buffer, bufferOffset, offset, length);
    } catch (error) {
      return this.#lookupFailed(error);
    }
  }

  #read(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): RequestStatus {
    const blockBytes = this.#blockBytes;
    const { mapping } = this;
    let virtualBlock = Math.floor(offset / blockBytes);
    let within = offset - virtualBlock * blockBytes;
    // A run: neighbouring bytes of the data device, not read yet.
    let runOffset = 0;
    let runBuffer = bufferOffset;
    let runLength = 0;
    for (let done = 0; done < length; virtualBlock++) {
      const segment = Math.min(blockBytes - within, length - done);
      const dataBlock = mapping.lookup(virtualBlock);
      const dataOffset = dataBlock * blockBytes + within;
      if (dataBlock >= 0 && runLength > 0 && dataOffset === runOffset + runLength) runLength += segment;
      else {
        if (runLength > 0) {
          const status = this.#data.read(buffer, runBuffer, runOffset, runLength);
          if (status !== 0) return status;
          runLength = 0;
        }
        if (dataBlock >= 0) {
          runOffset = dataOffset;
          runBuffer = bufferOffset + done;
          runLength = segment;
        } else if (this.origin !== undefined) {
          const status = this.origin.read(buffer, bufferOffset + done, offset + done, segment);
          if (status !== 0) return status;
        } else buffer.fill(0, bufferOffset + done, bufferOffset + done + segment);
      }
      done += segment;
      within = 0;
    }
    return runLength === 0 ? 0 : this.#data.read(buffer, runBuffer, runOffset, runLength);
  }

  write(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): RequestStatus {
    if (this.#outside(offset, length)) return outOfRange;
    if (this.#core.mode === poolMode.fail) return -errno.EIO;
    try {
      return this.#writer.write(this, buffer, bufferOffset, offset, length);
    } catch (error) {
      return this.#changeFailed("write", error);
    }
  }

  /** REQ_OP_DISCARD: unmaps whole blocks, leaves the rest alone. */
  discard(offset: number, length: number): RequestStatus {
    if (this.#outside(offset, length)) return outOfRange;
    const { mode, table } = this.#core;
    if (table.ignoreDiscard) return -errno.EOPNOTSUPP;
    if (mode === poolMode.fail) return -errno.EIO;
    if (mode >= poolMode.outOfMetadataSpace) return 0;
    const begin = Math.ceil(offset / this.#blockBytes);
    const end = Math.floor((offset + length) / this.#blockBytes);
    try {
      return begin < end ? unmapBlocks(this.#core, this, begin, end) : 0;
    } catch (error) {
      return this.#changeFailed("discard", error);
    }
  }

  /**
   * FALLOC_FL_PUNCH_HOLE: the range reads as zeroes afterwards; whole blocks are unmapped where that gives zeroes.
   * This is how discards and write-zeroes arrive through a loop device, hence EOPNOTSUPP with `ignore_discard`.
   */
  punchHole(offset: number, length: number): RequestStatus {
    if (this.#core.table.ignoreDiscard) return -errno.EOPNOTSUPP;
    return this.#zero(offset, length, "unmap");
  }

  /** FALLOC_FL_ZERO_RANGE: the range reads as zeroes afterwards; blocks that this device alone maps stay mapped. */
  writeZeroes(offset: number, length: number): RequestStatus {
    return this.#zero(offset, length, "keep");
  }

  #zero(offset: number, length: number, own: "unmap" | "keep"): RequestStatus {
    if (this.#outside(offset, length)) return outOfRange;
    if (this.#core.mode === poolMode.fail) return -errno.EIO;
    try {
      return zeroRange(this.#core, this.#writer, this, offset, length, own);
    } catch (error) {
      return this.#changeFailed("zero", error);
    }
  }

  /** What was acknowledged before is durable afterwards. */
  flush(): RequestStatus {
    if (this.lostChanges || this.#core.mode === poolMode.fail) return -errno.EIO;
    return this.#core.commit();
  }

  /**
   * Where data begins, at `offset` (inside the volume) or behind it: bytes, `sizeBytes` when only a hole follows; a negative errno. What the external
   * origin has counts as data.
   */
  seekData(offset: number): number {
    return this.#seek(offset, "data");
  }

  /**
   * Where a hole begins, at `offset` or behind it; else `sizeBytes`. Looks no further than 2^14 blocks and then names the place where it stopped, so that
   * no request waits long: whoever looks for data there finds them.
   */
  seekHole(offset: number): number {
    return this.#seek(offset, "hole");
  }

  #seek(offset: number, what: "data" | "hole"): number {
    if (this.#core.mode === poolMode.fail) return -errno.EIO;
    const blockBytes = this.#blockBytes;
    const originBytes = this.origin?.sizeBytes ?? 0;
    const from = what === "hole" ? Math.max(offset, originBytes) : offset;
    if (from < originBytes || from >= this.sizeBytes) return Math.min(from, this.sizeBytes);
    const block = Math.floor(from / blockBytes);
    const end = Math.min(block + mostSeekBlocks, Math.ceil(this.sizeBytes / blockBytes));
    try {
      const found = what === "data" ? this.mapping.nextMapped(block) : this.mapping.nextUnmapped(block, end);
      return found === block ? from : Math.min(found * blockBytes, this.sizeBytes);
    } catch (error) {
      return this.#lookupFailed(error);
    }
  }

  get takesDiscards(): boolean {
    return !this.#core.table.ignoreDiscard;
  }

  /** What is mapped; the origin's bytes are not the volume's. */
  get allocatedBytes(): number {
    try {
      return this.mapping.mappedBlocks * this.#blockBytes;
    } catch {
      return 0; // the device went with a transaction that was lost
    }
  }

  #outside(offset: number, length: number): boolean {
    return !(offset >= 0 && length >= 0 && offset + length <= this.sizeBytes);
  }

  #lookupFailed(error: unknown): RequestStatus {
    this.#core.log("error", `Cannot look up thin device ${this.id}: ${error instanceof Error ? error.message : ""}`);
    return negativeErrno(error);
  }

  #changeFailed(what: string, error: unknown): RequestStatus {
    this.#core.metadataFailed(what, error);
    this.#writer.reset();
    return -errno.EIO;
  }
}
