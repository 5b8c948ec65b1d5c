import { closeSync, openSync, readSync } from "node:fs";
import { deviceSizeBytes } from "../linux/block-device.ts";
import type { BlockSource } from "./block-source.ts";

/** A file or block device, opened for reading only. */
export class FileBlockSource implements BlockSource {
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

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): void {
    for (let done = 0; done < length;) {
      const bytes = readSync(this.fd, buffer, bufferOffset + done, length - done, position + done);
      if (bytes === 0) throw new Error(`Cannot read ${this.path} at byte ${position + done}: it ends before`);
      done += bytes;
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}
