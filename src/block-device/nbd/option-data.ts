import { MAX_STRING_BYTES } from "./nbd-protocol.ts";

/** Reads an option's data, which may be cut off or made up. What is not there reads as nothing, and is remembered. */
export class OptionData {
  readonly #data: Buffer;
  #at = 0;
  #failed = false;

  constructor(data: Buffer) {
    this.#data = data;
  }

  /** Whether something was read that is not there. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Whether all of it was read, and no more. */
  get complete(): boolean {
    return !this.#failed && this.#at === this.#data.length;
  }

  uint16(): number {
    return this.#has(2) ? this.#data.readUInt16BE(this.#at - 2) : 0;
  }

  uint32(): number {
    return this.#has(4) ? this.#data.readUInt32BE(this.#at - 4) : 0;
  }

  /** u32 length, then so many bytes of UTF-8. */
  string(): string {
    const length = this.uint32();
    if (length > MAX_STRING_BYTES || !this.#has(length)) {
      this.#failed = true;
      return "";
    }
    return this.#data.toString("utf8", this.#at - length, this.#at);
  }

  #has(bytes: number): boolean {
    if (this.#failed || this.#data.length - this.#at < bytes) this.#failed = true;
    else this.#at += bytes;
    return !this.#failed;
  }
}
