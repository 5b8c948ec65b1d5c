import { closeSync, openSync, readSync } from "node:fs";
import { deviceSizeBytes } from "../linux/block-device.ts";
import { FrozenPoolError } from "./frozen-pool-error.ts";

/** A pool's data file or device, opened for reading only. */
export class DataFile {
  readonly sizeBytes: number;
  private readonly path: string;
  private readonly fd: number;

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, "r");
    try {
      this.sizeBytes = deviceSizeBytes(this.fd);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** Reads all that is asked for. @throws FrozenPoolError EIO */
  read(buffer: Uint8Array, offset: number, length: number, position: number): void {
    for (let done = 0; done < length;) {
      const bytes = this.readSome(buffer, offset + done, length - done, position + done);
      if (bytes === 0) throw this.failed(position + done, `it ends at byte ${this.sizeBytes}`);
      done += bytes;
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  private readSome(buffer: Uint8Array, offset: number, length: number, position: number): number {
    try {
      return readSync(this.fd, buffer, offset, length, position);
    } catch (error) {
      throw this.failed(position, (error as Error).message, error);
    }
  }

  private failed(position: number, why: string, cause?: unknown): FrozenPoolError {
    return new FrozenPoolError(
      "EIO",
      `Cannot read the pool's data at byte ${position} of ${this.path}: ${why}`,
      cause === undefined ? {} : { cause },
    );
  }
}
