import { blockBytes } from "../../persistent-data/block.ts";
import { capacityOf, isLeaf, keyAt, valueAt, valueWordsOf } from "../../persistent-data/btree-node.ts";
import { readU64 } from "../../persistent-data/u64.ts";
import { mappedBlock, mappedTime } from "../../thin/block-time.ts";
import { mappingWords } from "../../thin/metadata-trees.ts";
import { opcode } from "./pack-format.ts";

/** No block takes more: instructions for 504 numbers of nine bytes at most, and those for what is around them. */
const mostBytesABlock = 3 * blockBytes;

/** More than one instruction can be asked to repeat. */
const mostTimes = 4095;

/** The instructions for metadata blocks, one after the other. */
export class BlockPacker {
  readonly #bytes: Buffer;
  #at = 0;

  /** @param blocks there is room for */
  constructor(blocks: number) {
    this.#bytes = Buffer.allocUnsafe(blocks * mostBytesABlock);
  }

  /** What was added so far. */
  get packed(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  clear(): void {
    this.#at = 0;
  }

  /** Adds a block that is no B-tree node. */
  addBlock(number: number, bytes: Uint8Array): void {
    this.#number(number, 8);
    this.#literal(bytes);
  }

  /** Adds a sound B-tree node, whose keys mostly follow from each other. */
  addNode(number: number, bytes: Uint8Array, words: Uint32Array): void {
    const capacity = capacityOf(words);
    const keys = numbers(capacity, (entry) => keyAt(words, entry));
    if (!keys.every(Number.isSafeInteger)) return this.addBlock(number, bytes);
    this.#number(number, 8);
    this.#literal(bytes.subarray(0, 4 * 8));
    this.#numbers(keys);
    const firstValue = valueAt(words, 0);
    let end = firstValue;
    if (isLeaf(words) && valueWordsOf(words) === mappingWords) {
      end += capacity * mappingWords;
      this.#withSmall(opcode.split, capacity);
      this.#numbers(
        numbers(capacity, (entry) => mappedBlock(words[firstValue + 2 * entry], words[firstValue + 2 * entry + 1])),
      );
      this.#numbers(numbers(capacity, (entry) => mappedTime(words[firstValue + 2 * entry])));
    } else if (!isLeaf(words)) {
      const children = numbers(capacity, (entry) => readU64(words, firstValue + 2 * entry));
      if (children.every(Number.isSafeInteger)) {
        end += 2 * capacity;
        this.#numbers(children);
      }
    }
    if (4 * end < blockBytes) this.#literal(bytes.subarray(4 * end));
  }

  /** Instructions that write these numbers: runs of equal distances are one. */
  #numbers(values: Float64Array): void {
    if (values.length === 0) return;
    this.#withNumber(opcode.set, values[0]);
    for (let at = 1; at < values.length;) {
      const distance = values[at] - values[at - 1];
      let times = 1;
      while (
        at + times < values.length &&
        values[at + times] - values[at + times - 1] === distance &&
        times < mostTimes
      ) {
        times++;
      }
      at += times;
      if (distance === 0) this.#count(opcode.repeat, opcode.repeatLong, times);
      else {
        if (times > 1) this.#count(opcode.times, opcode.timesLong, times);
        this.#distance(distance);
      }
    }
  }

  #count(short: number, long: number, times: number): void {
    if (times < 16) this.#byte((short << 4) | times);
    else this.#withSmall(long, times);
  }

  #distance(distance: number): void {
    const size = Math.abs(distance);
    const [short, wide] = distance > 0 ? [opcode.add, opcode.addWide] : [opcode.subtract, opcode.subtractWide];
    if (size < 16) this.#byte((short << 4) | size);
    else this.#withNumber(wide, size);
  }

  #literal(bytes: Uint8Array): void {
    if (bytes.length < 16) this.#byte((opcode.literal << 4) | bytes.length);
    else this.#withNumber(opcode.literalWide, bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** An instruction with a number of 12 bits. */
  #withSmall(code: number, value: number): void {
    this.#byte((code << 4) | (value >>> 8));
    this.#byte(value & 255);
  }

  /** An instruction with a number after it. */
  #withNumber(code: number, value: number): void {
    const width = value < 2 ** 8 ? 1 : value < 2 ** 16 ? 2 : value < 2 ** 32 ? 4 : 8;
    this.#byte((code << 4) | width);
    this.#number(value, width);
  }

  #byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  #number(value: number, width: number): void {
    for (let i = 0; i < width; i++) {
      this.#byte(value % 256);
      value = Math.floor(value / 256);
    }
  }
}

function numbers(count: number, at: (entry: number) => number): Float64Array {
  const values = new Float64Array(count);
  for (let entry = 0; entry < count; entry++) values[entry] = at(entry);
  return values;
}
