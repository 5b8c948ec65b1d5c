import { ThinError } from "../thin/errors.ts";
import type { PoolSink } from "./dump.ts";

/** Numbers that a run of mappings takes. */
const runNumbers = 4;

/**
 * Mappings that several devices have, as dumps of thin-provisioning-tools 1.x may say once: those between `define` and `endDefinition`
 * are kept, and told again by `refer`. All others pass through.
 */
export class SharedMappings {
  readonly #sink: Pick<PoolSink, "map">;
  readonly #definitions = new Map<string, number[]>();
  #defining: number[] | undefined;

  constructor(sink: Pick<PoolSink, "map">) {
    this.#sink = sink;
  }

  define(name: string | undefined): void {
    if (name === undefined || this.#defining !== undefined || this.#definitions.has(name)) {
      throw new ThinError("EINVAL", `Cannot restore from this XML: <def> has no name of its own, or is in another`);
    }
    this.#defining = [];
    this.#definitions.set(name, this.#defining);
  }

  endDefinition(): void {
    this.#defining = undefined;
  }

  /** @throws ThinError EINVAL when there is no such definition */
  refer(name: string | undefined): void {
    const runs = name === undefined ? undefined : this.#definitions.get(name);
    if (runs === undefined || runs === this.#defining) {
      throw new ThinError(
        "EINVAL",
        `Cannot restore from this XML: <ref> names ${name ?? "nothing"}, which is not defined`,
      );
    }
    for (let at = 0; at < runs.length; at += runNumbers) this.map(runs[at], runs[at + 1], runs[at + 2], runs[at + 3]);
  }

  map(virtualBlock: number, dataBlock: number, time: number, length: number): void {
    if (this.#defining === undefined) this.#sink.map(virtualBlock, dataBlock, time, length);
    else this.#defining.push(virtualBlock, dataBlock, time, length);
  }
}
