import { bitmapKind, type BlockKind, indexKind, superblockKind } from "../../persistent-data/block-kind.ts";
import { seal, sealFault } from "../../persistent-data/block-seal.ts";
import { Block, blockBytes } from "../../persistent-data/block.ts";
import { btreeNodeKind } from "../../persistent-data/btree-node.ts";
import type { AgedPool } from "./aged-pools.ts";

/** A pool's metadata with damage done to it. */
export interface Damaged {
  readonly content: Uint8Array;
  /** What was done, in plain words. */
  readonly what: string;
  /** The blocks that are not what they were. */
  readonly blocks: ReadonlySet<number>;
  /** Every damaged block shows by its checksum or number that it is. */
  readonly shows: boolean;
}

type Random = (below: number) => number;

const wordsOfBlock = blockBytes / 4;
const kinds = [superblockKind, btreeNodeKind, bitmapKind, indexKind];

/** A block that is in use, or was before. */
interface SoundBlock {
  readonly number: number;
  readonly kind: BlockKind;
}

/** Damages a pool's metadata at random: one to three blocks of those that are sound. */
export class RandomDamage {
  readonly #pool: AgedPool;
  readonly #sound: SoundBlock[] = [];
  readonly #random: Random;

  constructor(pool: AgedPool, random: Random) {
    this.#pool = pool;
    this.#random = random;
    for (let number = 0; number * blockBytes < pool.last.content.length; number++) {
      const block = blockOf(pool.last.content, number);
      const kind = kinds.find((candidate) => sealFault(block, candidate) === undefined);
      if (kind !== undefined) this.#sound.push({ number, kind });
    }
  }

  next(): Damaged {
    const content = this.#pool.last.content.slice();
    const what: string[] = [];
    const blocks = new Set<number>();
    let shows = true;
    for (let count = 1 + Math.floor(this.#random(6) / 3) + (this.#random(8) === 0 ? 1 : 0); count > 0; count--) {
      // The superblock leads to all else: it is damaged more often than one block in hundreds would be.
      const target = this.#random(12) === 0 ? this.#sound[0] : this.#pick(this.#sound);
      const damage = this.#pick(damages);
      const place = { content, older: this.#pick(this.#pool.commits).content, target, other: this.#pick(this.#sound) };
      const harmed = damage.harm(place, this.#random).filter((number) => isChanged(this.#pool, content, number));
      for (const number of harmed) {
        blocks.add(number);
        const { kind } = this.#sound.find((sound) => sound.number === number)!;
        if (sealFault(blockOf(content, number), kind) === undefined) shows = false;
      }
      what.push(`${damage.name} (${target.kind.name} ${target.number})`);
    }
    return { content, what: what.join(", "), blocks, shows };
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random(list.length)];
  }
}

interface Place {
  readonly content: Uint8Array;
  readonly older: Uint8Array;
  readonly target: SoundBlock;
  readonly other: SoundBlock;
}

const damages: { name: string; harm: (place: Place, random: Random) => number[] }[] = [
  {
    name: "a bit flipped",
    harm({ content, target: { number } }, random) {
      content[number * blockBytes + random(blockBytes)] ^= 1 << random(8);
      return [number];
    },
  },
  {
    name: "zeroed",
    harm({ content, target: { number } }) {
      content.fill(0, number * blockBytes, (number + 1) * blockBytes);
      return [number];
    },
  },
  {
    name: "zeroed from somewhere on",
    harm({ content, target: { number } }, random) {
      content.fill(0, number * blockBytes + 512 * random(8), (number + 1) * blockBytes);
      return [number];
    },
  },
  // What is at the beginning matters most: headers, roots, the first keys.
  ...[
    { name: "a header misstated", words: 40 },
    { name: "an entry misstated", words: wordsOfBlock },
  ].map(({ name, words }) => ({
    name,
    harm({ content, target: { number, kind } }: Place, random: Random) {
      const block = blockOf(content, number);
      misstate(block, kind, 1 + random(words - 1), random);
      content.set(block.bytes, number * blockBytes);
      return [number];
    },
  })),
  {
    name: "swapped with another",
    harm({ content, target, other }) {
      const [one, two] = [blockOf(content, target.number), blockOf(content, other.number)];
      content.set(two.bytes, target.number * blockBytes);
      content.set(one.bytes, other.number * blockBytes);
      return [target.number, other.number];
    },
  },
  {
    name: "another block in its place, with its number",
    harm({ content, target, other }) {
      const block = blockOf(content, other.number);
      const moved = new Block(target.number);
      moved.bytes.set(block.bytes);
      seal(moved, other.kind);
      content.set(moved.bytes, target.number * blockBytes);
      return [target.number];
    },
  },
  {
    name: "as an older commit had it",
    harm({ content, older, target: { number } }) {
      content.set(older.subarray(number * blockBytes, (number + 1) * blockBytes), number * blockBytes);
      return [number];
    },
  },
  {
    name: "never written",
    harm({ content, target: { number } }, random) {
      const start = number * blockBytes;
      for (let at = start; at < start + blockBytes; at += 4) content[at] = random(256);
      return [number];
    },
  },
];

function isChanged({ last }: AgedPool, content: Uint8Array, number: number): boolean {
  const range = [number * blockBytes, (number + 1) * blockBytes] as const;
  return Buffer.compare(last.content.subarray(...range), content.subarray(...range)) !== 0;
}

function blockOf(content: Uint8Array, number: number): Block {
  const block = new Block(number);
  block.bytes.set(content.subarray(number * blockBytes, (number + 1) * blockBytes));
  return block;
}

/** Changes a block so that its checksum is right again: as a bug would, not as a bad disk. */
function misstate(block: Block, kind: BlockKind, word: number, random: Random): void {
  block.words[word] = wrongWord(random, block.words[word]);
  const number = block.words.slice(2, 4);
  seal(block, kind);
  if (word !== 2 && word !== 3) return;
  // The block's own number is what was to be wrong.
  block.words.set(number, 2);
}

/** Numbers that a field could wrongly have. */
function wrongWord(random: Random, word: number): number {
  const near = [word + 1, word - 1, word ^ (1 << random(32)), word ^ (1 << random(8))];
  const choices = [0, 1, 2, 0xffffffff, ...near, random(1000), random(2 ** 32)];
  return choices[random(choices.length)] >>> 0;
}
