import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, statfsSync, writeSync } from "node:fs";
import {
  blockDiscard,
  blockZeroOut,
  deviceSizeBytes,
  flushBuffers,
  logicalBlockBytes,
} from "../../linux/block-device.ts";
import { punchHole, zeroRange } from "../../linux/fallocate.ts";
import { loopBackingFile } from "../../linux/loop.ts";
import { seek } from "../../linux/seek.ts";
import { errorCode } from "../../linux/system-error.ts";

const FUSE_SUPER_MAGIC = 0x65735546;
/** More than any device's logical block. */
const zeroes = Buffer.alloc(64 << 10);

/** How a device is to be opened. */
export interface DeviceUse {
  access: "read-write" | "read-only";
  /** "shared": others may mount it, or have it open as they like. */
  claim: "exclusive" | "shared";
}

/**
 * The block device that an export shows. Where it is a loop device on a file of a pool's FUSE mount, that file is opened beside it, as requests then go to
 * the pool's engine without a detour; the loop device is kept open, so that nobody else takes it.
 */
export class ExportedDevice {
  /** For asynchronous reads and writes, opened for direct I/O. */
  readonly fd: number;
  readonly sizeBytes: number;
  /** Whether it tells data from holes, and gives zeroes for next to nothing. */
  readonly hasHoles: boolean;
  /** What offsets, lengths and memory of direct I/O have to be multiples of: 1 for the FUSE file. */
  readonly alignment: number;
  /** The device through the page cache: for what is not aligned, and for commands that only its owner may give. */
  readonly #claim: number;

  /** @throws Error of the system's code: EBUSY where somebody has claimed it */
  constructor(device: string, { access, claim }: DeviceUse) {
    const flags = access === "read-only" ? constants.O_RDONLY : constants.O_RDWR;
    this.#claim = openSync(device, flags | (claim === "exclusive" ? constants.O_EXCL : 0));
    try {
      this.sizeBytes = deviceSizeBytes(this.#claim);
      // What somebody has written to the device, and what the kernel has cached of it.
      flushBuffers(this.#claim);
      const file = fuseFileOf(device);
      this.hasHoles = file !== undefined;
      this.alignment = file === undefined ? logicalBlockBytes(this.#claim) : 1;
      this.fd = openSync(file ?? device, flags | constants.O_DIRECT);
    } catch (error) {
      closeSync(this.#claim);
      throw error;
    }
  }

  /** Whether a transfer can be done by direct I/O. */
  isAligned(offset: number, length: number): boolean {
    return this.alignment === 1 || (offset % this.alignment === 0 && length % this.alignment === 0);
  }

  /** Whether the device still answers: a pool's mount may have gone. */
  isAlive(): boolean {
    try {
      fstatSync(this.fd);
      return true;
    } catch {
      return false;
    }
  }

  /** Where data, or a hole, begins: at `offset` or behind it; the device's size where there is none. */
  seek(offset: number, what: "data" | "hole"): number {
    return seek(this.fd, offset, what) ?? this.sizeBytes;
  }

  /** A transfer of any alignment, through the page cache. */
  transfer(direction: "read" | "write", memory: Buffer, start: number, offset: number, length: number): void {
    for (let done = 0; done < length;) {
      const place = [memory, start + done, length - done, offset + done] as const;
      const bytes = direction === "read" ? readSync(this.#claim, ...place) : writeSync(this.#claim, ...place);
      if (bytes === 0) throw Object.assign(new Error("Cannot go on: the device ends"), { code: "EIO", errno: -5 });
      done += bytes;
    }
  }

  /** A hint that nobody needs what a range holds. */
  trim(offset: number, length: number): void {
    if (this.hasHoles) {
      ifPossible(() => punchHole(this.fd, offset, length));
      return;
    }
    const begin = this.#alignedFrom(offset);
    const end = this.#alignedUntil(offset + length);
    if (begin < end) ifPossible(() => blockDiscard(this.#claim, begin, end - begin));
  }

  /**
   * Makes a range read as zeroes.
   *
   * @param space "kept": it stays allocated; "let go" where that is possible; "let go or refused", as zeroes would have to be written: EOPNOTSUPP
   */
  zero(offset: number, length: number, space: "kept" | "let go" | "let go or refused"): void {
    if (this.hasHoles) {
      if (space === "let go or refused") punchHole(this.fd, offset, length);
      else if (space === "kept" || !ifPossible(() => punchHole(this.fd, offset, length))) {
        zeroRange(this.fd, offset, length);
      }
      return;
    }
    const end = offset + length;
    const begin = Math.min(end, this.#alignedFrom(offset));
    const wholeEnd = Math.max(begin, this.#alignedUntil(end));
    if (offset < begin) this.transfer("write", zeroes, 0, offset, begin - offset);
    if (begin < wholeEnd) blockZeroOut(this.#claim, begin, wholeEnd - begin);
    if (wholeEnd < end) this.transfer("write", zeroes, 0, wholeEnd, end - wholeEnd);
  }

  #alignedFrom(offset: number): number {
    return Math.ceil(offset / this.alignment) * this.alignment;
  }

  #alignedUntil(end: number): number {
    return Math.floor(end / this.alignment) * this.alignment;
  }

  /** All that was written is on the disk afterwards. */
  flush(): void {
    fdatasyncSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
    try {
      // What others read of it meanwhile may be out of date.
      flushBuffers(this.#claim);
    } catch {
      // Its pool is gone.
    }
    closeSync(this.#claim);
  }
}

function fuseFileOf(device: string): string | undefined {
  const file = loopBackingFile(device);
  return file !== undefined && statfsSync(file).type === FUSE_SUPER_MAGIC ? file : undefined;
}

/** False where the device has no such command. */
function ifPossible(command: () => void): boolean {
  try {
    command();
    return true;
  } catch (error) {
    if (errorCode(error) === "EOPNOTSUPP") return false;
    throw error;
  }
}
