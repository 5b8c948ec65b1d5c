/** What reached a disk, in order. */
export type DiskEvent =
  | { disk: string; kind: "write"; offset: number; bytes: Uint8Array }
  | { disk: string; kind: "discard"; offset: number; length: number }
  | { disk: string; kind: "flush" };

const pageBytes = 4096;

/** A sparse disk in memory that tells what is done to it, can be cloned, and can lose what was not flushed. */
export class MemoryDisk {
  readonly name: string;
  sizeBytes: number;
  /** Told each event before it takes effect. */
  onEvent: ((event: DiskEvent) => void) | undefined;
  /** A negative errno makes the next operations fail. */
  failure: { write?: number; read?: number; flush?: number } = {};
  #pages = new Map<number, Uint8Array>();
  /** Pages as they were at the last flush, of those changed since; undefined: there was none. */
  #before = new Map<number, Uint8Array | undefined>();

  constructor(name: string, sizeBytes: number) {
    this.name = name;
    this.sizeBytes = sizeBytes;
  }

  get pages(): number {
    return this.#pages.size;
  }

  read(into: Uint8Array, at: number, offset: number, length: number): number {
    if (this.failure.read !== undefined) return this.failure.read;
    for (let done = 0; done < length;) {
      const page = Math.floor((offset + done) / pageBytes);
      const within = offset + done - page * pageBytes;
      const piece = Math.min(pageBytes - within, length - done);
      const bytes = this.#pages.get(page);
      if (bytes === undefined) into.fill(0, at + done, at + done + piece);
      else into.set(bytes.subarray(within, within + piece), at + done);
      done += piece;
    }
    return 0;
  }

  write(bytes: Uint8Array, offset: number): number {
    if (this.failure.write !== undefined) return this.failure.write;
    if (offset + bytes.length > this.sizeBytes) throw new Error(`write past the end of ${this.name}: ${offset}`);
    this.onEvent?.({ disk: this.name, kind: "write", offset, bytes: bytes.slice() });
    this.#store(bytes, offset);
    return 0;
  }

  #store(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length;) {
      const page = Math.floor((offset + done) / pageBytes);
      const within = offset + done - page * pageBytes;
      const piece = Math.min(pageBytes - within, bytes.length - done);
      const next = this.#pages.get(page)?.slice() ?? new Uint8Array(pageBytes);
      next.set(bytes.subarray(done, done + piece), within);
      this.#replace(page, next);
      done += piece;
    }
  }

  #replace(page: number, bytes: Uint8Array | undefined): void {
    if (!this.#before.has(page)) this.#before.set(page, this.#pages.get(page));
    if (bytes === undefined) this.#pages.delete(page);
    else this.#pages.set(page, bytes);
  }

  isHole(offset: number, length: number): boolean {
    for (let page = Math.floor(offset / pageBytes); page * pageBytes < offset + length; page++) {
      if (this.#pages.has(page)) return false;
    }
    return true;
  }

  discard(offset: number, length: number): number {
    if (this.failure.write !== undefined) return this.failure.write;
    this.onEvent?.({ disk: this.name, kind: "discard", offset, length });
    this.#drop(offset, length);
    return 0;
  }

  #drop(offset: number, length: number): void {
    const first = Math.ceil(offset / pageBytes);
    const last = Math.floor((offset + length) / pageBytes);
    if (last - first > this.#pages.size) {
      for (const page of [...this.#pages.keys()]) if (page >= first && page < last) this.#replace(page, undefined);
    } else for (let page = first; page < last; page++) if (this.#pages.has(page)) this.#replace(page, undefined);
  }

  flush(): number {
    if (this.failure.flush !== undefined) return this.failure.flush;
    this.onEvent?.({ disk: this.name, kind: "flush" });
    this.#before.clear();
    return 0;
  }

  /** Does to this disk what was done to another. */
  apply(event: DiskEvent): void {
    if (event.kind === "write") this.#store(event.bytes, event.offset);
    else if (event.kind === "discard") this.#drop(event.offset, event.length);
    else this.#before.clear();
  }

  /** Loses everything since the last flush. */
  powerCut(): void {
    for (const [page, bytes] of this.#before) {
      if (bytes === undefined) this.#pages.delete(page);
      else this.#pages.set(page, bytes);
    }
    this.#before.clear();
  }

  /** Pages are never changed in place, so a clone shares them. */
  clone(): MemoryDisk {
    const copy = new MemoryDisk(this.name, this.sizeBytes);
    copy.#pages = new Map(this.#pages);
    copy.#before = new Map(this.#before);
    return copy;
  }
}
