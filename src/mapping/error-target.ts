import { errno } from "../linux/system-error.ts";
import type { Target } from "./target.ts";

const failed = -errno.EIO;

/** Fails every transfer. A flush has nothing to write out, and succeeds: the kernel sends this target none. */
export class ErrorTarget implements Target {
  readonly allocatedBytes = 0;
  readonly #lengthBytes: number;

  constructor(lengthBytes: number) {
    this.#lengthBytes = lengthBytes;
  }

  read(): number {
    return failed;
  }

  write(): number {
    return failed;
  }

  punchHole(): number {
    return failed;
  }

  writeZeroes(): number {
    return failed;
  }

  flush(): number {
    return 0;
  }

  seekData(offset: number): number {
    return offset;
  }

  seekHole(): number {
    return this.#lengthBytes;
  }
}
