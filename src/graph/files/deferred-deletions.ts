import { closeSync, mkdirSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../linux/system-error.ts";

/**
 * The devices that wait for their deletion, as names in a folder. That a device waits is written in its own file
 * (`"deleted":true`); this index spares reading all of them to know that none does.
 */
export class DeferredDeletions {
  readonly #folder: string;

  /** @param root the graph's folder */
  constructor(root: string) {
    this.#folder = join(root, "deferred-deletions");
  }

  list(): string[] {
    try {
      return readdirSync(this.#folder);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  }

  add(id: string): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    closeSync(openSync(join(this.#folder, id), "a", 0o600));
  }

  remove(id: string): void {
    try {
      unlinkSync(join(this.#folder, id));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }
}
