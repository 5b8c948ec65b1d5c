/** Problems told one by one; one fault often shows in thousands of blocks. */
const mostTold = 100;

/** What is wrong with a pool's metadata, in plain words. */
export class ProblemList {
  readonly #problems: string[] = [];
  #more = 0;

  add(problem: string): void {
    if (this.#problems.length < mostTold) this.#problems.push(problem);
    else this.#more++;
  }

  get list(): string[] {
    return this.#more === 0 ? [...this.#problems] : [...this.#problems, `and ${this.#more} more problems`];
  }
}
