const chunkBytes = 64 * 1024;
const zeroChunk = Buffer.alloc(chunkBytes);

/** A thin device as a test expects it: its contents in chunks that are never changed in place. */
export class ModelDevice {
  readonly chunks: Buffer[];
  readonly sizeBytes: number;

  constructor(sizeBytes: number, chunks?: readonly Buffer[]) {
    this.sizeBytes = sizeBytes;
    this.chunks = chunks?.slice() ?? Array.from({ length: Math.ceil(sizeBytes / chunkBytes) }, () => zeroChunk);
  }

  snapshot(): ModelDevice {
    return new ModelDevice(this.sizeBytes, this.chunks);
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((offset + done) / chunkBytes);
      const within = offset + done - index * chunkBytes;
      const piece = Math.min(chunkBytes - within, bytes.length - done);
      const next = Buffer.from(this.chunks[index]);
      next.set(bytes.subarray(done, done + piece), within);
      this.chunks[index] = next;
      done += piece;
    }
  }

  read(offset: number, length: number): Buffer {
    const result = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const index = Math.floor((offset + done) / chunkBytes);
      const within = offset + done - index * chunkBytes;
      const piece = Math.min(chunkBytes - within, length - done);
      this.chunks[index].copy(result, done, within, within + piece);
      done += piece;
    }
    return result;
  }

  zero(offset: number, length: number): void {
    this.write(offset, Buffer.alloc(length));
  }
}

/** The thin devices of a pool as a test expects them. */
export class PoolModel {
  readonly devices = new Map<number, ModelDevice>();

  /** A copy that later changes leave alone; cheap, as chunks are shared. */
  snapshot(): PoolModel {
    const copy = new PoolModel();
    for (const [id, device] of this.devices) copy.devices.set(id, device.snapshot());
    return copy;
  }
}
