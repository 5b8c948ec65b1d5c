import { errno } from "../linux/system-error.ts";
import type { Target } from "./target.ts";

/** A target and the range of a volume that it serves. */
export interface MappedRange {
  startBytes: number;
  lengthBytes: number;
  target: Target;
}

const outside = -errno.EINVAL;

/**
 * A block device put together of targets. A request goes to each target that it touches, in parts; the first that fails ends it, and what was
 * done before stays done, as in the kernel, where the parts go at the same time. Allocates nothing on the way.
 */
export class MappedVolume implements Target {
  readonly sizeBytes: number;
  readonly #ranges: readonly MappedRange[];
  readonly #writable: boolean;
  /** The range that was used last: most requests stay within it. */
  #last = 0;

  /** @param ranges contiguous, from 0 */
  constructor(ranges: readonly MappedRange[], access: "read-write" | "read-only") {
    this.#ranges = ranges;
    this.#writable = access === "read-write";
    const { startBytes, lengthBytes } = ranges[ranges.length - 1];
    this.sizeBytes = startBytes + lengthBytes;
  }

  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.#transfer("read", buffer, bufferOffset, offset, length);
  }

  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    if (!this.#writable) return -errno.EROFS;
    return this.#transfer("write", buffer, bufferOffset, offset, length);
  }

  #transfer(what: "read" | "write", buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    if (this.#outside(offset, length)) return outside;
    let index = this.#find(offset);
    for (let done = 0; done < length; index++) {
      const { startBytes, lengthBytes, target } = this.#ranges[index];
      const within = offset + done - startBytes;
      const piece = Math.min(lengthBytes - within, length - done);
      const status = target[what](buffer, bufferOffset + done, within, piece);
      if (status !== 0) return status;
      done += piece;
    }
    return 0;
  }

  punchHole(offset: number, length: number): number {
    return this.#zero("punchHole", offset, length);
  }

  writeZeroes(offset: number, length: number): number {
    return this.#zero("writeZeroes", offset, length);
  }

  #zero(how: "punchHole" | "writeZeroes", offset: number, length: number): number {
    if (!this.#writable) return -errno.EROFS;
    if (this.#outside(offset, length)) return outside;
    let index = this.#find(offset);
    for (let done = 0; done < length; index++) {
      const { startBytes, lengthBytes, target } = this.#ranges[index];
      const within = offset + done - startBytes;
      const piece = Math.min(lengthBytes - within, length - done);
      const status = target[how](within, piece);
      if (status !== 0) return status;
      done += piece;
    }
    return 0;
  }

  /** All of them, also when one fails: the first failure is the answer. */
  flush(): number {
    let first = 0;
    for (const { target } of this.#ranges) {
      const status = target.flush();
      if (first === 0) first = status;
    }
    return first;
  }

  seekData(offset: number): number {
    return this.#seek("seekData", offset);
  }

  seekHole(offset: number): number {
    return this.#seek("seekHole", offset);
  }

  #seek(what: "seekData" | "seekHole", offset: number): number {
    if (this.#outside(offset, 0)) return outside;
    let from = offset;
    for (let index = this.#find(offset); index < this.#ranges.length; index++) {
      const { startBytes, lengthBytes, target } = this.#ranges[index];
      const found = target[what](from - startBytes);
      if (found < 0) return found;
      if (found < lengthBytes) return startBytes + found;
      from = startBytes + lengthBytes;
    }
    return this.sizeBytes;
  }

  get allocatedBytes(): number {
    return this.#ranges.reduce((sum, { target }) => sum + target.allocatedBytes, 0);
  }

  #outside(offset: number, length: number): boolean {
    return !(offset >= 0 && length >= 0 && offset + length <= this.sizeBytes);
  }

  /** The range that holds a place; the last one for the volume's end. */
  #find(offset: number): number {
    const last = this.#ranges[this.#last];
    if (offset >= last.startBytes && offset < last.startBytes + last.lengthBytes) return this.#last;
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#ranges[middle].startBytes <= offset) low = middle;
      else high = middle - 1;
    }
    return (this.#last = low);
  }
}
