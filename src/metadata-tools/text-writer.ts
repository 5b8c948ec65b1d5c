const bufferBytes = 1 << 18;
const mostDigits = 20;
const zero = 48;
const billion = 1e9;

/** ASCII text, ready to be written. */
export function literal(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** Gathers text and numbers, by the million a second: nothing is made for each but its bytes. */
export class TextWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #bytes = new Uint8Array(bufferBytes);
  #at = 0;

  /** @param write is given the text in large pieces; they are used again afterwards */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Adds text of `literal`, shorter than the buffer. */
  text(text: Uint8Array): this {
    if (this.#at + text.length > bufferBytes) this.flush();
    // Quicker than `set` for the few bytes that these are.
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text[i];
    return this;
  }

  /** Adds a whole number from 0 to 2^53 in decimal. */
  number(value: number): this {
    if (this.#at + mostDigits > bufferBytes) this.flush();
    this.#digits(value, 1);
    return this;
  }

  flush(): void {
    this.#write(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
  }

  #digits(value: number, least: number): void {
    if (value >= billion) {
      this.#digits(Math.floor(value / billion), least);
      value %= billion;
      least = 9;
    }
    let rest = value | 0;
    let digits = 1;
    for (let power = 10; power <= rest; power *= 10) digits++;
    if (digits < least) digits = least;
    this.#at += digits;
    for (let at = this.#at - 1; digits > 0; digits--) {
      const tenth = (rest / 10) | 0;
      this.#bytes[at--] = zero + rest - 10 * tenth;
      rest = tenth;
    }
  }
}
