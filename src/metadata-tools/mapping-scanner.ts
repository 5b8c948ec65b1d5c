import type { PoolSink } from "./dump.ts";
import { literal } from "./text-writer.ts";

const single = ['<single_mapping origin_block="', '" data_block="', '" time="', '"/>'].map(literal);
const range = ['<range_mapping origin_begin="', '" data_begin="', '" length="', '" time="', '"/>'].map(literal);

/** No mapping's element as `thin_dump` writes it is longer: five pieces of text and four numbers. */
export const longestMapping = 160;

const mostDigits = 15;

/**
 * Reads the elements of mappings as `thin_dump` writes them, from bytes, without making anything for them: a pool has millions. What looks
 * any different is left to the XML parser.
 */
export class MappingScanner {
  readonly #sink: Pick<PoolSink, "map">;
  readonly #values = new Float64Array(4);

  constructor(sink: Pick<PoolSink, "map">) {
    this.#sink = sink;
  }

  /** Tells the mapping whose element begins at `at`. Returns where that ends; -1 if there is none. */
  read(bytes: Uint8Array, at: number): number {
    const isSingle = bytes[at + 1] === single[0][1];
    const end = this.#match(bytes, at, isSingle ? single : range);
    if (end < 0) return -1;
    const [virtualBlock, dataBlock, third, fourth] = this.#values;
    if (isSingle) this.#sink.map(virtualBlock, dataBlock, third, 1);
    else this.#sink.map(virtualBlock, dataBlock, fourth, third);
    return end;
  }

  /** Reads text and numbers by turns. */
  #match(bytes: Uint8Array, at: number, texts: readonly Uint8Array[]): number {
    for (let text = 0; text < texts.length; text++) {
      const expected = texts[text];
      for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return -1;
      at += expected.length;
      if (text === texts.length - 1) break;
      const first = at;
      let value = 0;
      for (let digit = bytes[at] - 48; digit >= 0 && digit <= 9; digit = bytes[++at] - 48) value = 10 * value + digit;
      if (at === first || at - first > mostDigits) return -1;
      this.#values[text] = value;
    }
    return at;
  }
}
