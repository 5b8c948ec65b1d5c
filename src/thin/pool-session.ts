import type { JournalRecord } from "./journal-record.ts";

/** An active volume as `Pool.active` lists it. */
export interface ActiveVolume {
  readonly id: number;
  readonly sizeSectors: number;
  /** The caller's own text. */
  readonly tag: string;
  readonly externalOriginPath: string | undefined;
}

/** The answer to a control request. */
export interface RememberedAnswer {
  readonly requestId: string;
  readonly answer: string;
}

/** How many answers of control requests are kept. */
const rememberedAnswers = 64;

/** What an engine knows beside the metadata, and its successor must know too: active volumes and recent answers. */
export class PoolSession {
  readonly active = new Map<number, ActiveVolume>();
  readonly #answers = new Map<string, RememberedAnswer>();

  remember(requestId: string | undefined, answer: string): void {
    if (requestId === undefined) return;
    this.#answers.delete(requestId);
    this.#answers.set(requestId, { requestId, answer });
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
    return this.#answers.get(requestId)?.answer;
  }

  answers(): IterableIterator<RememberedAnswer> {
    return this.#answers.values();
  }
}

/** The record of a volume's activation. */
export function activation(volume: ActiveVolume, requestId: string | undefined): JournalRecord {
  const { id, sizeSectors, tag, externalOriginPath: origin } = volume;
  return {
    kind: "activate",
    id,
    sizeSectors,
    tag,
    ...(origin === undefined ? {} : { origin }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}
