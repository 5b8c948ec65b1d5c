import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { blockDiscard, blockZeroOut, deviceSizeBytes, isBlockDevice } from "../linux/block-device.ts";
import { punchHole } from "../linux/fallocate.ts";
import { isHole } from "../linux/seek.ts";
import { errno } from "../linux/system-error.ts";
import { startWriteback } from "../linux/writeback.ts";
import type { DataDevice } from "./data-device.ts";
import { negativeErrno } from "./negative-errno.ts";

/** From this length on, zeroes are made by a hole or the device's own command instead of being written. */
const zeroByHoleBytes = 1024 * 1024;
const zeroes = new Uint8Array(zeroByHoleBytes);

/** A file or a block device as data device, through the page cache. */
export class FileDataDevice implements DataDevice {
  readonly path: string;
  readonly #fd: number;
  readonly #isBlockDevice: boolean;
  #sizeBytes: number;
  #discards = true;
  /** Something was written since the last flush; at first, an engine before may have. */
  #dirty = true;

  /** @throws the system's error when the path cannot be opened */
  constructor(path: string, access: "read-write" | "read-only" = "read-write") {
    this.path = path;
    this.#fd = openSync(path, access === "read-only" ? "r" : "r+");
    try {
      this.#isBlockDevice = isBlockDevice(path);
      this.#sizeBytes = deviceSizeBytes(this.#fd);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  refreshSize(): void {
    this.#sizeBytes = deviceSizeBytes(this.#fd);
  }

  read(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): number {
    try {
      let done = 0;
      while (done < length) {
        const count = readSync(this.#fd, buffer, bufferOffset + done, length - done, offset + done);
        if (count === 0) {
          buffer.fill(0, bufferOffset + done, bufferOffset + length);
          break;
        }
        done += count;
      }
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  write(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): number {
    this.#dirty = true;
    try {
      let done = 0;
      while (done < length) {
        done += writeSync(this.#fd, buffer, bufferOffset + done, length - done, offset + done);
      }
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  isHole(offset: number, length: number): boolean {
    if (this.#isBlockDevice) return false;
    try {
      return isHole(this.#fd, offset, length);
    } catch {
      return false;
    }
  }

  zero(offset: number, length: number): number {
    if (this.isHole(offset, length)) return 0;
    if (length >= zeroByHoleBytes) {
      this.#dirty = true;
      try {
        if (this.#isBlockDevice) blockZeroOut(this.#fd, offset, length);
        else punchHole(this.#fd, offset, length);
        return 0;
      } catch {
        // The device has no such command: the zeroes are written below.
      }
    }
    for (let done = 0; done < length; done += zeroes.length) {
      const status = this.write(zeroes, 0, offset + done, Math.min(zeroes.length, length - done));
      if (status !== 0) return status;
    }
    return 0;
  }

  discard(offset: number, length: number): number {
    if (!this.#discards) return 0;
    this.#dirty = true;
    try {
      if (this.#isBlockDevice) blockDiscard(this.#fd, offset, length);
      else punchHole(this.#fd, offset, length);
      return 0;
    } catch (error) {
      const status = negativeErrno(error);
      if (status === -errno.EOPNOTSUPP) this.#discards = false;
      return status;
    }
  }

  startWriteback(offset: number, length: number): void {
    try {
      startWriteback(this.#fd, offset, length);
    } catch {
      // Only a hint: the flush does all of it.
    }
  }

  flush(): number {
    if (!this.#dirty) return 0;
    try {
      fdatasyncSync(this.#fd);
      this.#dirty = false;
      return 0;
    } catch (error) {
      return negativeErrno(error);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
