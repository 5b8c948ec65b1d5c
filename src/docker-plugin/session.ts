import { join } from "node:path";
import { rmSync } from "node:fs";
import * as v from "valibot";
import { readJsonFile, writeJsonFile } from "../graph/files/json-file.ts";
import type { OwnerMaps } from "../layer/owner-map.ts";

const range = v.object({ containerId: v.number(), hostId: v.number(), size: v.number() });
const schema = v.object({
  home: v.string(),
  owners: v.object({ users: v.array(range), groups: v.array(range) }),
});

/** What a dockerd has said at its start. */
export interface SessionRecord {
  /** The driver's folder in Docker's data root: tells one dockerd from another. Nothing is in it. */
  home: string;
  /** Of user-namespace remapping; empty without. */
  owners: OwnerMaps;
}

/**
 * The dockerd that this graph serves: from its Init to its Cleanup. Kept in `$root/docker-plugin/session.json`, as dockerd does not say
 * again what it said when this process starts anew under it.
 */
export class Session {
  readonly #path: string;
  #record: SessionRecord | undefined;

  /** @param folder the plugin's own, in the graph's */
  constructor(folder: string) {
    this.#path = join(folder, "session.json");
    this.#record = readJsonFile(this.#path, schema);
  }

  /** Undefined before Init and after Cleanup. */
  get home(): string | undefined {
    return this.#record?.home;
  }

  get owners(): OwnerMaps {
    return this.#record?.owners ?? { users: [], groups: [] };
  }

  begin(record: SessionRecord): void {
    writeJsonFile(this.#path, record);
    this.#record = record;
  }

  end(): void {
    rmSync(this.#path, { force: true });
    this.#record = undefined;
  }
}
