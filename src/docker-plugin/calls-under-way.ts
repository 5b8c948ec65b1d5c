import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { readJsonFile, temporaryPrefix, writeJsonFile } from "../graph/files/json-file.ts";

const schema = v.variant("call", [
  v.object({ call: v.literal("create"), parent: v.optional(v.string()), sizeBytes: v.optional(v.number()) }),
  v.object({
    call: v.literal("apply"),
    source: v.optional(v.string()),
    sourceIsCopy: v.boolean(),
    sizeBytes: v.number(),
  }),
]);

/**
 * A change of a device that Docker does not yet know the outcome of. `create`: the device may be there, made with these parameters.
 * `apply`: the device may be half unpacked; it is as it was when made anew as a snapshot of `source` (without it, of the base), which is a
 * copy made for that purpose, or its parent.
 */
export type CallUnderWay = v.InferOutput<typeof schema>;

/**
 * Marks of changes under way, a file each in `$root/docker-plugin/under-way`: what a process that died in the middle leaves for the next
 * one. They need not survive a power cut, as dockerd does not either.
 */
export class CallsUnderWay {
  readonly #folder: string;

  /** @param folder the plugin's own, in the graph's */
  constructor(folder: string) {
    this.#folder = join(folder, "under-way");
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  begin(id: string, call: CallUnderWay): void {
    writeJsonFile(this.#path(id), call, "not-durable");
  }

  end(id: string): void {
    rmSync(this.#path(id), { force: true });
  }

  /** Those that are marked, by device. Files that cannot be read are of no use, and go. */
  all(): Map<string, CallUnderWay> {
    const calls = new Map<string, CallUnderWay>();
    for (const id of readdirSync(this.#folder)) {
      try {
        const call = id.startsWith(temporaryPrefix) ? undefined : readJsonFile(this.#path(id), schema);
        if (call !== undefined) calls.set(id, call);
        else this.end(id);
      } catch {
        this.end(id);
      }
    }
    return calls;
  }

  #path(id: string): string {
    return join(this.#folder, id);
  }
}
