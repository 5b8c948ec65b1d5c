import { closeSync, constants, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { alignedBuffer } from "../../linux/aligned-buffer.ts";
import { blockZeroOut, deviceSizeBytes, isBlockDevice } from "../../linux/block-device.ts";
import { zeroRange } from "../../linux/fallocate.ts";

const alignment = 4096;

/** A device that is being copied to another one, or to a file. Both are read and written past the page cache where they are devices. */
export class DeviceCopy {
  copiedBytes = 0;
  readonly #source: number;
  readonly #target: number;
  readonly #buffer: Buffer;
  readonly #zero: (fd: number, offsetBytes: number, lengthBytes: number) => void;

  /** @param bufferBytes how much is read at once, a multiple of 4096 */
  constructor(source: string, target: string, bufferBytes: number) {
    this.#source = openSync(source, constants.O_RDONLY | constants.O_DIRECT);
    const isDevice = isBlockDevice(target);
    this.#target = openSync(target, isDevice ? constants.O_RDWR | constants.O_DIRECT : constants.O_RDWR);
    this.#zero = isDevice ? blockZeroOut : zeroRange;
    this.#buffer = alignedBuffer(bufferBytes, alignment);
  }

  get targetBytes(): number {
    return deviceSizeBytes(this.#target);
  }

  /** Makes the file that is written to so large, and empties it. */
  resizeFile(bytes: number): void {
    ftruncateSync(this.#target, 0);
    ftruncateSync(this.#target, bytes);
  }

  copy(offset: number, bytes: number): void {
    for (let done = 0; done < bytes;) {
      const got = readSync(this.#source, this.#buffer, 0, Math.min(this.#buffer.length, bytes - done), offset + done);
      if (got === 0) throw new Error(`Cannot read the device at byte ${offset + done}: it ends there`);
      for (let written = 0; written < got;) {
        written += writeSync(this.#target, this.#buffer, written, got - written, offset + done + written);
      }
      done += got;
    }
    this.copiedBytes += bytes;
  }

  zero(offset: number, bytes: number): void {
    this.#zero(this.#target, offset, bytes);
  }

  /** Returns when all of it is on the medium. */
  flush(): void {
    fsyncSync(this.#target);
  }

  close(): void {
    closeSync(this.#source);
    closeSync(this.#target);
  }
}
