import type { Target } from "./target.ts";

/** Reads as zeroes; what is written is dropped (Documentation/admin-guide/device-mapper/zero.rst). */
export class ZeroTarget implements Target {
  readonly allocatedBytes = 0;
  readonly #lengthBytes: number;

  constructor(lengthBytes: number) {
    this.#lengthBytes = lengthBytes;
  }

  read(buffer: Buffer, bufferOffset: number, _offset: number, length: number): number {
    buffer.fill(0, bufferOffset, bufferOffset + length);
    return 0;
  }

  write(): number {
    return 0;
  }

  punchHole(): number {
    return 0;
  }

  writeZeroes(): number {
    return 0;
  }

  flush(): number {
    return 0;
  }

  seekData(): number {
    return this.#lengthBytes;
  }

  seekHole(offset: number): number {
    return offset;
  }
}
