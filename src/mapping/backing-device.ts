import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { alignedBuffer } from "../linux/aligned-buffer.ts";
import { blockZeroOut, deviceSizeBytes, logicalBlockBytes } from "../linux/block-device.ts";
import { punchHole, zeroRange } from "../linux/fallocate.ts";
import { addressOf } from "../linux/memory.ts";
import { seek } from "../linux/seek.ts";
import { errno, errorCode } from "../linux/system-error.ts";
import { negativeErrno } from "../thin/negative-errno.ts";

/** What direct I/O asks of memory: no driver's limit is higher (Linux, dma_alignment). */
const memoryAlignmentBytes = 512;
const bounceBytes = 1 << 20;
/** For parts of blocks, of which none is larger than 64 KiB. */
const zeroes = Buffer.alloc(2 * 65536);
/** For what is not aligned; made when it is first needed. */
let bounce: Buffer | undefined;

/**
 * A file or block device that segments of a table lie on. A block device is read and written past the page cache: what it answers is an
 * error's or success's own, at once, and who else reads it sees what is written here. Offsets and lengths are bytes; results as `Target` has them.
 */
export class BackingDevice {
  readonly path: string;
  readonly sizeBytes: number;
  readonly isBlockDevice: boolean;
  /** What places and lengths on a block device are multiples of; requests that are not cost a read and a copy. 1 for a file. */
  readonly blockBytes: number;
  readonly fd: number;
  /** Something was written since the last flush; at first, an engine before may have. */
  #dirty = true;
  #knownBuffer: Buffer | undefined;
  #knownAddress = 0;

  /** @throws the system's error when the path cannot be opened */
  constructor(path: string, access: "read-write" | "read-only") {
    this.path = path;
    this.fd = openPast(path, access === "read-only" ? constants.O_RDONLY : constants.O_RDWR);
    try {
      this.isBlockDevice = fstatSync(this.fd).isBlockDevice();
      this.sizeBytes = deviceSizeBytes(this.fd);
      this.blockBytes = this.isBlockDevice ? logicalBlockBytes(this.fd) : 1;
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    if (this.#isAligned(buffer, bufferOffset, offset, length)) return this.#read(buffer, bufferOffset, offset, length);
    const room = (bounce ??= alignedBuffer(bounceBytes, 4096));
    for (let done = 0; done < length;) {
      const skip = (offset + done) % this.blockBytes;
      const piece = Math.min(length - done, room.length - this.blockBytes);
      const status = this.#read(room, 0, offset + done - skip, this.#roundUp(skip + piece));
      if (status !== 0) return status;
      room.copy(buffer, bufferOffset + done, skip, skip + piece);
      done += piece;
    }
    return 0;
  }

  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    this.#dirty = true;
    if (this.#isAligned(buffer, bufferOffset, offset, length)) return this.#write(buffer, bufferOffset, offset, length);
    const room = (bounce ??= alignedBuffer(bounceBytes, 4096));
    for (let done = 0; done < length;) {
      const skip = (offset + done) % this.blockBytes;
      const piece = Math.min(length - done, room.length - this.blockBytes);
      const whole = this.#roundUp(skip + piece);
      // What the first and the last block hold beside it stays.
      let status = whole === piece ? 0 : this.#read(room, 0, offset + done - skip, whole);
      buffer.copy(room, skip, bufferOffset + done, bufferOffset + done + piece);
      if (status === 0) status = this.#write(room, 0, offset + done - skip, whole);
      if (status !== 0) return status;
      done += piece;
    }
    return 0;
  }

  #isAligned(buffer: Buffer, bufferOffset: number, offset: number, length: number): boolean {
    if (!this.isBlockDevice) return true;
    if (buffer !== this.#knownBuffer) {
      this.#knownBuffer = buffer;
      this.#knownAddress = addressOf(buffer) % memoryAlignmentBytes;
    }
    return (
      ((this.#knownAddress + bufferOffset) & (memoryAlignmentBytes - 1)) === 0 &&
      ((offset | length) & (this.blockBytes - 1)) === 0
    );
  }

  #roundUp(length: number): number {
    return Math.ceil(length / this.blockBytes) * this.blockBytes;
  }

  #read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    try {
      let done = 0;
      while (done < length) {
        const count = readSync(this.fd, buffer, bufferOffset + done, length - done, offset + done);
        if (count === 0) return -errno.EIO; // it became shorter
        done += count;
      }
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  #write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    try {
      let done = 0;
      while (done < length) {
        const count = writeSync(this.fd, buffer, bufferOffset + done, length - done, offset + done);
        if (count === 0) return -errno.EIO;
        done += count;
      }
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  /**
   * The range reads as zeroes afterwards, and its space is given back: a hole in a file, and what the block device has for it. EOPNOTSUPP where that
   * cannot promise zeroes: the kernel then writes them itself, or tells who wanted to discard.
   */
  punchHole(offset: number, length: number): number {
    return this.#zero("hole", offset, length);
  }

  /** The range reads as zeroes afterwards; its space is kept where what is below can do that. */
  writeZeroes(offset: number, length: number): number {
    return this.#zero("zeroes", offset, length);
  }

  /** Whole blocks by the device's own command; what lies beside them is written. */
  #zero(how: "hole" | "zeroes", offset: number, length: number): number {
    this.#dirty = true;
    const begin = this.#roundUp(offset);
    const end = Math.floor((offset + length) / this.blockBytes) * this.blockBytes;
    if (begin >= end) return this.write(zeroes, 0, offset, length);
    let status = begin > offset ? this.write(zeroes, 0, offset, begin - offset) : 0;
    if (status === 0) status = this.#zeroBlocks(how, begin, end - begin);
    if (status === 0 && end < offset + length) status = this.write(zeroes, 0, end, offset + length - end);
    return status;
  }

  #zeroBlocks(how: "hole" | "zeroes", offset: number, length: number): number {
    try {
      // On block devices too: it zeroes, with the space given back, or refuses; a discard (BLKDISCARD) need not zero.
      if (how === "hole") punchHole(this.fd, offset, length);
      else if (this.isBlockDevice) blockZeroOut(this.fd, offset, length);
      else zeroFile(this.fd, offset, length);
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  flush(): number {
    if (!this.#dirty) return 0;
    try {
      fdatasyncSync(this.fd);
      this.#dirty = false;
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  /** Where data, or a hole, begins at or behind a place; the size where there is none. Everything on a block device is data. */
  seek(offset: number, what: "data" | "hole"): number {
    if (this.isBlockDevice) return what === "data" ? offset : this.sizeBytes;
    try {
      return seek(this.fd, offset, what) ?? this.sizeBytes;
    } catch {
      return what === "data" ? offset : this.sizeBytes; // a file system that does not know
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Direct on block devices; on files through the page cache, as a pool's are: not every file system can do else. */
function openPast(path: string, access: number): number {
  const fd = openSync(path, access);
  if (!fstatSync(fd).isBlockDevice()) return fd;
  closeSync(fd);
  return openSync(path, access | constants.O_DIRECT);
}

/** tmpfs has no command for zeroes that keeps the space. */
function zeroFile(fd: number, offset: number, length: number): void {
  try {
    zeroRange(fd, offset, length);
  } catch (error) {
    if (errorCode(error) !== "EOPNOTSUPP") throw error;
    punchHole(fd, offset, length);
  }
}
