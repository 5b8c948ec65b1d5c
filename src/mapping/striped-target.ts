import type { BackingDevice } from "./backing-device.ts";
import type { Target } from "./target.ts";

/** Where a stripe lies. */
export interface Stripe {
  device: BackingDevice;
  offsetBytes: number;
}

/** Chunks by turns on several devices (Documentation/admin-guide/device-mapper/striped.rst). */
export class StripedTarget implements Target {
  readonly allocatedBytes: number;
  readonly #stripes: readonly Stripe[];
  readonly #chunkBytes: number;

  constructor(stripes: readonly Stripe[], chunkBytes: number, lengthBytes: number) {
    this.#stripes = stripes;
    this.#chunkBytes = chunkBytes;
    this.allocatedBytes = lengthBytes;
  }

  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.#transfer("read", buffer, bufferOffset, offset, length);
  }

  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.#transfer("write", buffer, bufferOffset, offset, length);
  }

  #transfer(what: "read" | "write", buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    const chunkBytes = this.#chunkBytes;
    const count = this.#stripes.length;
    let chunk = Math.floor(offset / chunkBytes);
    let within = offset - chunk * chunkBytes;
    for (let done = 0; done < length; chunk++) {
      const piece = Math.min(chunkBytes - within, length - done);
      const { device, offsetBytes } = this.#stripes[chunk % count];
      const place = offsetBytes + Math.floor(chunk / count) * chunkBytes + within;
      const status = device[what](buffer, bufferOffset + done, place, piece);
      if (status !== 0) return status;
      done += piece;
      within = 0;
    }
    return 0;
  }

  punchHole(offset: number, length: number): number {
    return this.#zero("punchHole", offset, length);
  }

  writeZeroes(offset: number, length: number): number {
    return this.#zero("writeZeroes", offset, length);
  }

  /** What a range has of a stripe is one range there, however many chunks it is. */
  #zero(how: "punchHole" | "writeZeroes", offset: number, length: number): number {
    for (let index = 0; index < this.#stripes.length; index++) {
      const { device, offsetBytes } = this.#stripes[index];
      const begin = this.#placeIn(index, offset);
      const end = this.#placeIn(index, offset + length);
      const status = begin < end ? device[how](offsetBytes + begin, end - begin) : 0;
      if (status !== 0) return status;
    }
    return 0;
  }

  /** The first byte of a stripe that lies at or behind a place of the whole. */
  #placeIn(stripe: number, offset: number): number {
    const chunk = Math.floor(offset / this.#chunkBytes);
    const row = Math.floor(chunk / this.#stripes.length);
    const turn = chunk % this.#stripes.length;
    if (stripe === turn) return row * this.#chunkBytes + (offset - chunk * this.#chunkBytes);
    return (stripe < turn ? row + 1 : row) * this.#chunkBytes;
  }

  flush(): number {
    let first = 0;
    for (const { device } of this.#stripes) {
      const status = device.flush();
      if (first === 0) first = status;
    }
    return first;
  }

  /** Holes are not looked for: what is one in each of the devices is seldom one here. */
  seekData(offset: number): number {
    return offset;
  }

  seekHole(): number {
    return this.allocatedBytes;
  }
}
