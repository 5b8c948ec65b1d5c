/** Problems told one by one; one fault often shows in thousands of blocks. */
const mostTold = 100;

/** `fatal`: something is lost, or would be overwritten. `minor`: space is wasted, or a count is off, and no data is in danger. */
export type Severity = "minor" | "fatal";

/** What is wrong with a pool's metadata, in plain words. */
export class ProblemList {
  readonly #problems: string[] = [];
  #more = 0;
  /** Of the worst problem; undefined while there is none. */
  worst: Severity | undefined;

  add(problem: string, severity: Severity = "fatal"): void {
    if (this.worst !== "fatal") this.worst = severity;
    if (this.#problems.length < mostTold) this.#problems.push(problem);
    else this.#more++;
  }

  get list(): string[] {
    return this.#more === 0 ? [...this.#problems] : [...this.#problems, `and ${this.#more} more problems`];
  }
}
