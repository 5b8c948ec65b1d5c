/** Problems told one by one; one fault often shows in thousands of blocks. */
const mostTold = 100;

/**
 * `fatal`: something is lost, or would be overwritten. `minor`: space is wasted, and no data is in danger. `note`: a sum is off that other
 * tools are known to leave so (thin_restore 0.9.0 counts a metadata block too much), and nobody minds.
 */
export type Severity = "note" | "minor" | "fatal";

/** What is wrong with a pool's metadata, in plain words. */
export class ProblemList {
  readonly #problems: string[] = [];
  #more = 0;
  /** Of the worst problem; undefined while there is none but notes. */
  worst: Exclude<Severity, "note"> | undefined;

  add(problem: string, severity: Severity = "fatal"): void {
    if (severity !== "note" && this.worst !== "fatal") this.worst = severity;
    if (this.#problems.length < mostTold) this.#problems.push(problem);
    else this.#more++;
  }

  get list(): string[] {
    return this.#more === 0 ? [...this.#problems] : [...this.#problems, `and ${this.#more} more problems`];
  }
}
