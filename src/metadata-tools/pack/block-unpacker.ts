import { blockBytes } from "../../persistent-data/block.ts";
import { opcode } from "./pack-format.ts";

/** What a piece holds is not what the format says. */
export class PackError extends Error {
  override readonly name = "PackError";
}

const timeBits = 24n;
const timeMask = (1n << timeBits) - 1n;
const numberBytes = 8;

/** Carries out the instructions of one piece, block after block. */
export class BlockUnpacker {
  readonly #source: Buffer;
  #at = 0;
  #base = 0n;

  constructor(source: Buffer) {
    this.#source = source;
  }

  /** Whether another block follows. */
  get more(): boolean {
    return this.#at < this.#source.length;
  }

  /** The number of the block that follows. */
  blockNumber(): bigint {
    return this.#number(8);
  }

  /** Makes the bytes of a block. @throws PackError */
  block(): Buffer {
    this.#base = 0n;
    const into = Buffer.alloc(blockBytes);
    this.#fill(into);
    return into;
  }

  /** Carries instructions out until `into` is full: they must come out even. */
  #fill(into: Buffer): void {
    for (let done = 0; done < into.length;) done = this.#instruction(into, done);
  }

  /** Returns how many bytes are done now. */
  #instruction(into: Buffer, done: number): number {
    let first = this.#byte();
    let times = 1;
    while (first >>> 4 === opcode.times || first >>> 4 === opcode.timesLong) {
      times = first >>> 4 === opcode.times ? first & 15 : ((first & 15) << 8) | this.#byte();
      first = this.#byte();
    }
    const code = first >>> 4;
    const small = first & 15;
    switch (code) {
      case opcode.set:
        this.#base = this.#number(small);
        return this.#write(into, done, times, 0n);
      case opcode.add:
        return this.#write(into, done, times, BigInt(small));
      case opcode.addWide:
        return this.#write(into, done, times, this.#number(small));
      case opcode.subtract:
        return this.#write(into, done, times, -BigInt(small));
      case opcode.subtractWide:
        return this.#write(into, done, times, -this.#number(small));
      case opcode.repeat:
        return this.#write(into, done, small, 0n);
      case opcode.repeatLong:
        return this.#write(into, done, (small << 8) | this.#byte(), 0n);
      case opcode.literal:
        return this.#literal(into, done, small);
      case opcode.literalWide:
        return this.#literal(into, done, Number(this.#number(small)));
      case opcode.split:
        return this.#split(into, done, (small << 8) | this.#byte());
      default:
        throw new PackError(`there is no instruction ${code}`);
    }
  }

  #write(into: Buffer, done: number, times: number, distance: bigint): number {
    this.#requireRoom(into, done, times * numberBytes);
    for (let i = 0; i < times; i++, done += numberBytes) {
      this.#base = BigInt.asUintN(64, this.#base + distance);
      into.writeBigUInt64LE(this.#base, done);
    }
    return done;
  }

  #literal(into: Buffer, done: number, bytes: number): number {
    this.#requireRoom(into, done, bytes);
    if (this.#at + bytes > this.#source.length) throw new PackError("it ends within a block");
    this.#source.copy(into, done, this.#at, this.#at + bytes);
    this.#at += bytes;
    return done + bytes;
  }

  #split(into: Buffer, done: number, count: number): number {
    this.#requireRoom(into, done, count * numberBytes);
    const upper = Buffer.alloc(count * numberBytes);
    const lower = Buffer.alloc(count * numberBytes);
    this.#fill(upper);
    this.#fill(lower);
    for (let at = 0; at < upper.length; at += numberBytes) {
      const value = (upper.readBigUInt64LE(at) << timeBits) | (lower.readBigUInt64LE(at) & timeMask);
      into.writeBigUInt64LE(BigInt.asUintN(64, value), done + at);
    }
    return done + upper.length;
  }

  #requireRoom(into: Buffer, done: number, bytes: number): void {
    if (!(done + bytes <= into.length)) throw new PackError("its instructions make more than a block");
  }

  #byte(): number {
    if (!this.more) throw new PackError("it ends within a block");
    return this.#source[this.#at++];
  }

  #number(width: number): bigint {
    if (![1, 2, 4, 8].includes(width)) throw new PackError(`there are no numbers of ${width} bytes`);
    let value = 0n;
    for (let i = 0; i < width; i++) value |= BigInt(this.#byte()) << BigInt(8 * i);
    return value;
  }
}
