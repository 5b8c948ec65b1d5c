import type { BackingDevice } from "./backing-device.ts";
import type { Target } from "./target.ts";

/** A range of another device (Documentation/admin-guide/device-mapper/linear.rst). */
export class LinearTarget implements Target {
  readonly allocatedBytes: number;
  readonly #device: BackingDevice;
  readonly #offsetBytes: number;

  constructor(device: BackingDevice, offsetBytes: number, lengthBytes: number) {
    this.#device = device;
    this.#offsetBytes = offsetBytes;
    this.allocatedBytes = lengthBytes;
  }

  read(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.#device.read(buffer, bufferOffset, this.#offsetBytes + offset, length);
  }

  write(buffer: Buffer, bufferOffset: number, offset: number, length: number): number {
    return this.#device.write(buffer, bufferOffset, this.#offsetBytes + offset, length);
  }

  punchHole(offset: number, length: number): number {
    return this.#device.punchHole(this.#offsetBytes + offset, length);
  }

  writeZeroes(offset: number, length: number): number {
    return this.#device.writeZeroes(this.#offsetBytes + offset, length);
  }

  flush(): number {
    return this.#device.flush();
  }

  seekData(offset: number): number {
    return this.#within(this.#device.seek(this.#offsetBytes + offset, "data"));
  }

  seekHole(offset: number): number {
    return this.#within(this.#device.seek(this.#offsetBytes + offset, "hole"));
  }

  #within(place: number): number {
    return place < 0 ? place : Math.min(place - this.#offsetBytes, this.allocatedBytes);
  }
}
