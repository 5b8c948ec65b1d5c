import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServedVolume } from "../block-device/served-volume.ts";
import type { BlockSource } from "../file-system/block-source.ts";
import { errno, errorCode } from "../linux/system-error.ts";

const CHUNK_BYTES = 4096;

/** A volume that can be written while what is below it stays as it is: what is written goes to a temporary file. */
export class OverlayVolume implements ServedVolume {
  private readonly below: BlockSource;
  private readonly fd: number;
  /** A bit for each chunk that is in the temporary file. */
  private readonly written: Uint8Array;
  private readonly chunk = Buffer.alloc(CHUNK_BYTES);
  private readonly zeroes = Buffer.alloc(1 << 16);

  constructor(below: BlockSource) {
    this.below = below;
    this.written = new Uint8Array(Math.ceil(below.sizeBytes / CHUNK_BYTES / 8));
    this.fd = temporaryFile(below.sizeBytes);
  }

  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.guarded(() => this.readInto(buffer, bufferOffset, offset, length));
  }

  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.guarded(() => {
      for (let done = 0; done < length;) {
        const at = offset + done;
        const bytes = Math.min(length - done, CHUNK_BYTES - (at % CHUNK_BYTES));
        this.prepare(Math.floor(at / CHUNK_BYTES), bytes);
        done += bytes;
      }
      writeFully(this.fd, buffer, bufferOffset, length, offset);
    });
  }

  /** Of the temporary file nothing is given back: it goes as a whole, soon. */
  punchHole(offset: number, length: number): number {
    return this.writeZeroes(offset, length);
  }

  writeZeroes(offset: number, length: number): number {
    for (let done = 0; done < length;) {
      const bytes = Math.min(length - done, this.zeroes.length);
      const result = this.write(this.zeroes, 0, offset + done, bytes);
      if (result !== 0) return result;
      done += bytes;
    }
    return 0;
  }

  flush(): number {
    return 0;
  }

  /** Where the holes are is not told: all of it is data. */
  seekData(offset: number): number {
    return offset;
  }

  seekHole(): number {
    return this.allocatedBytes;
  }

  get allocatedBytes(): number {
    return this.below.sizeBytes;
  }

  close(): void {
    closeSync(this.fd);
  }

  private readInto(buffer: Buffer, bufferOffset: number, offset: number, length: number): void {
    for (let done = 0; done < length;) {
      const at = offset + done;
      const first = Math.floor(at / CHUNK_BYTES);
      const own = this.isWritten(first);
      let end = first + 1;
      while (end * CHUNK_BYTES < offset + length && this.isWritten(end) === own) end++;
      const bytes = Math.min(length - done, end * CHUNK_BYTES - at);
      const into = bufferOffset + done;
      if (own) readFully(this.fd, buffer, into, bytes, at);
      else this.below.read(buffer, into, bytes, at);
      done += bytes;
    }
  }

  /** Brings a chunk into the temporary file before so many bytes of it are written, unless that is all of it. */
  private prepare(chunk: number, bytes: number): void {
    if (this.isWritten(chunk)) return;
    if (bytes < CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, this.below.sizeBytes - chunk * CHUNK_BYTES);
      this.below.read(this.chunk, 0, length, chunk * CHUNK_BYTES);
      writeFully(this.fd, this.chunk, 0, length, chunk * CHUNK_BYTES);
    }
    this.written[chunk >>> 3] |= 1 << (chunk & 7);
  }

  private isWritten(chunk: number): boolean {
    return (this.written[chunk >>> 3] & (1 << (chunk & 7))) !== 0;
  }

  private guarded(task: () => void): number {
    try {
      task();
      return 0;
    } catch (error) {
      console.error((error as Error).message);
      return errorCode(error) === "ENOSPC" ? -errno.ENOSPC : -errno.EIO;
    }
  }
}

/** Without a name: it is gone when this process is. */
function temporaryFile(sizeBytes: number): number {
  const folder = mkdtempSync(join(tmpdir(), "mica-overlay-"));
  try {
    const fd = openSync(join(folder, "writes"), "wx+", 0o600);
    ftruncateSync(fd, sizeBytes);
    return fd;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function writeFully(fd: number, buffer: Buffer, offset: number, length: number, position: number): void {
  for (let done = 0; done < length;) done += writeSync(fd, buffer, offset + done, length - done, position + done);
}

function readFully(fd: number, buffer: Buffer, offset: number, length: number, position: number): void {
  for (let done = 0; done < length;) {
    const bytes = readSync(fd, buffer, offset + done, length - done, position + done);
    if (bytes === 0) throw new Error("Cannot read what was written to the overlay: its file is too short");
    done += bytes;
  }
}
