/** Most units that are remembered; of a larger export, larger ones. */
const MOST_UNITS = 2 ** 22;

/**
 * Which parts of an export are known to hold data. Only a hint: what is not known, or was forgotten, is asked for; and data is never wrong, as a hole
 * may be read as zeroes too.
 */
export class KnownData {
  readonly #unitBytes: number;
  readonly #known: Uint8Array;

  /** @param blockBytes what data and holes come in */
  constructor(sizeBytes: number, blockBytes: number) {
    this.#unitBytes = blockBytes * Math.max(1, Math.ceil(sizeBytes / blockBytes / MOST_UNITS));
    this.#known = new Uint8Array(Math.ceil(sizeBytes / this.#unitBytes));
  }

  /** What lies wholly in a range is data. */
  add(begin: number, end: number): void {
    const first = Math.ceil(begin / this.#unitBytes);
    const last = Math.floor(end / this.#unitBytes);
    if (first < last) this.#known.fill(1, first, last);
  }

  /** What lies in a range, wholly or in part, may be a hole. */
  forget(begin: number, end: number): void {
    this.#known.fill(0, Math.floor(begin / this.#unitBytes), Math.ceil(end / this.#unitBytes));
  }

  /** Whether the whole range is known to hold data. */
  covers(begin: number, end: number): boolean {
    const last = Math.ceil(end / this.#unitBytes);
    for (let unit = Math.floor(begin / this.#unitBytes); unit < last; unit++) if (this.#known[unit] === 0) return false;
    return true;
  }
}
