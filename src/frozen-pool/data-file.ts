import { FileBlockSource } from "../file-system/file-block-source.ts";
import { FrozenPoolError } from "./frozen-pool-error.ts";

/** A pool's data file or device, opened for reading only. */
export class DataFile {
  private readonly path: string;
  private readonly source: FileBlockSource;

  constructor(path: string) {
    this.path = path;
    this.source = new FileBlockSource(path);
  }

  get sizeBytes(): number {
    return this.source.sizeBytes;
  }

  /** Reads all that is asked for. @throws FrozenPoolError EIO */
  read(buffer: Uint8Array, offset: number, length: number, position: number): void {
    try {
      this.source.read(buffer, offset, length, position);
    } catch (error) {
      const why = (error as Error).message;
      const message = `Cannot read the pool's data at byte ${position} of ${this.path}: ${why}`;
      throw new FrozenPoolError("EIO", message, { cause: error });
    }
  }

  close(): void {
    this.source.close();
  }
}
