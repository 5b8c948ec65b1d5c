/** Mappings in a chunk, as a power of two and as a number. */
export const chunkShift = 7;
export const chunkMappings = 1 << chunkShift;

/** 32-bit words of a chunk: two a mapping, as in the B-tree. */
const chunkWords = 2 * chunkMappings;

/** A word that no mapping has as its high one: unmapped. */
export const unmappedWord = 0xffffffff;

/** Who uses a chunk, and is told when it is given to another. */
export interface ChunkOwner {
  loseChunk(chunk: number): void;
}

/**
 * The mappings of all open devices that were asked for, in chunks of consecutive virtual blocks, in one piece of memory
 * of fixed size: what does not fit is read from the B-tree again. It can be shared between threads.
 */
export class MappingChunks {
  readonly words: Uint32Array;
  readonly #owners: (ChunkOwner | undefined)[];
  readonly #chunkOf: Float64Array;
  #next = 0;

  /** @param chunks how many there is room for; 16384 take 16 MiB, when used */
  constructor(chunks = 16_384) {
    // Memory that is not touched is not taken.
    this.words = new Uint32Array(new SharedArrayBuffer(chunks * chunkWords * 4));
    this.#owners = new Array<ChunkOwner | undefined>(chunks).fill(undefined);
    this.#chunkOf = new Float64Array(chunks);
  }

  /** Gives the owner room for its chunk, all unmapped, and returns the first word of it. */
  claim(owner: ChunkOwner, chunk: number): number {
    const place = this.#next;
    this.#next = (place + 1) % this.#owners.length;
    this.#owners[place]?.loseChunk(this.#chunkOf[place]);
    this.#owners[place] = owner;
    this.#chunkOf[place] = chunk;
    const word = place * chunkWords;
    this.words.fill(unmappedWord, word, word + chunkWords);
    return word;
  }

  /** Takes back all that an owner has. It is not told. */
  release(owner: ChunkOwner): void {
    for (let place = 0; place < this.#owners.length; place++) {
      if (this.#owners[place] === owner) this.#owners[place] = undefined;
    }
  }
}
