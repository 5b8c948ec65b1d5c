/** An active volume as `Pool.active` lists it. */
export interface ActiveVolume {
  readonly id: number;
  readonly sizeSectors: number;
  /** The caller's own text. */
  readonly tag: string;
  readonly externalOriginPath: string | undefined;
}

/** How many answers of control requests are kept. */
const rememberedAnswers = 64;

/** What an engine knows beside the metadata, and its successor must know too: active volumes and recent answers. */
export class PoolSession {
  readonly active = new Map<number, ActiveVolume>();
  readonly #answers = new Map<string, string>();

  remember(requestId: string | undefined, answer: string): void {
    if (requestId === undefined) return;
    this.#answers.delete(requestId);
    this.#answers.set(requestId, answer);
    if (this.#answers.size <= rememberedAnswers) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      break;
    }
  }

  forget(requestId: string | undefined): void {
    if (requestId !== undefined) this.#answers.delete(requestId);
  }

  answerOf(requestId: string): string | undefined {
    return this.#answers.get(requestId);
  }

  answers(): IterableIterator<[string, string]> {
    return this.#answers.entries();
  }
}
