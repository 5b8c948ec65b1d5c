const leastRows = 1024;

/** Rows of so many numbers each, in one piece of memory that grows: for what there are millions of. */
export class NumberColumns {
  readonly #columns: number;
  #values: Float64Array<ArrayBuffer>;
  #rows = 0;

  constructor(columns: number) {
    this.#columns = columns;
    this.#values = new Float64Array(columns * leastRows);
  }

  get rows(): number {
    return this.#rows;
  }

  get(row: number, column: number): number {
    return this.#values[row * this.#columns + column];
  }

  /** Adds a row of up to four numbers. */
  add(first: number, second: number, third = 0, fourth = 0): void {
    const at = this.#rows * this.#columns;
    if (at === this.#values.length) this.#grow();
    this.#values[at] = first;
    this.#values[at + 1] = second;
    if (this.#columns > 2) this.#values[at + 2] = third;
    if (this.#columns > 3) this.#values[at + 3] = fourth;
    this.#rows++;
  }

  #grow(): void {
    const larger = new Float64Array(2 * this.#values.length);
    larger.set(this.#values);
    this.#values = larger;
  }
}
