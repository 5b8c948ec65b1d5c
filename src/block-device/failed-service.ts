import type { ControlAnswer } from "./control-message.ts";

/** In the place of a pool, or a mapped device, that cannot be opened: says why. Volumes answer EIO, as the server knows no files. */
export class FailedService {
  readonly #failure: string;
  readonly #stop: () => void;
  /** Another than that of the engine before, so that whoever waits for an event hears of the failure. */
  readonly #eventNumber = Math.floor(Date.now() / 1000);

  constructor(failure: string, hooks: { stop(): void }) {
    this.#failure = failure;
    this.#stop = () => hooks.stop();
  }

  exportActive(): void {
    // Nothing is active.
  }

  forgetActive(): void {
    // Nothing is active.
  }

  lastClose(): void {
    // There are no files.
  }

  execute(_id: string, text: string): string {
    return JSON.stringify(this.#answer(text));
  }

  #answer(text: string): ControlAnswer {
    if (text === "status") return { ok: true, answer: "Fail" };
    if (text === "pool_info") {
      const info = { suspended: false, deferredRemove: false, eventNumber: this.#eventNumber };
      return { ok: true, answer: JSON.stringify(info) };
    }
    if (text === "list") return { ok: true, answer: "[]" };
    // The volumes are gone already; the loop devices that were on them only have to be let go.
    if (text.startsWith("deactivate ") || text.startsWith("defer ")) return { ok: true, answer: "" };
    if (text === "shutdown") {
      this.#stop();
      return { ok: true, answer: "" };
    }
    return { error: { code: "EIO", message: `Cannot do '${text}': it has failed, for ${this.#failure}` } };
  }
}
