import { errno } from "../linux/system-error.ts";
import type { Pool } from "../thin/pool.ts";
import type { ServedVolume } from "./served-volume.ts";

/**
 * A pool as a device of its own: its data device, to be read. In the kernel writes go through as well, into blocks of whichever thin devices;
 * nothing needs that, and here they are refused.
 */
export class PoolData implements ServedVolume {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.#pool.readData(buffer, bufferOffset, offset, length);
  }

  write(): number {
    return -errno.EROFS;
  }

  punchHole(): number {
    return -errno.EROFS;
  }

  writeZeroes(): number {
    return -errno.EROFS;
  }

  flush(): number {
    return 0;
  }

  seekData(offset: number): number {
    return offset;
  }

  seekHole(): number {
    return this.#pool.table.sectors * 512;
  }

  get allocatedBytes(): number {
    return this.#pool.table.sectors * 512;
  }
}
