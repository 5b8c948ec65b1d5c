import { mkdirSync, readdirSync } from "node:fs";
import { rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { readJsonFile, temporaryPrefix, writeJsonFileAsync } from "../graph/files/json-file.ts";
import { lockFileSync, type FileLock } from "../linux/flock.ts";
import { errorCode } from "../linux/system-error.ts";
import { snapshotRecordSchema, snapshotRecordToJson, type SnapshotRecord } from "./snapshot-record.ts";
import { SnapshotterError } from "./snapshotter-error.ts";

/** All records there are. */
export interface StoredSnapshots {
  records: SnapshotRecord[];
  /** Why files could not be read. */
  damaged: Error[];
}

/**
 * The snapshotter's files: `$root/containerd/snapshots/DEVICE.json`, one a snapshot. Each is replaced whole, so that a crash leaves the
 * old or the new one. One process at a time writes them: the one that holds the lock.
 */
export class SnapshotFiles {
  readonly #root: string;
  readonly #folder: string;

  /** @param root the graph's folder */
  constructor(root: string) {
    this.#root = root;
    this.#folder = join(root, "containerd", "snapshots");
  }

  /**
   * Makes the folders, and takes the lock for as long as this process serves the snapshots.
   *
   * @throws SnapshotterError unavailable, while another process has it
   */
  open(): FileLock {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    try {
      return lockFileSync(join(this.#root, "containerd", "lock"));
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
      throw new SnapshotterError(
        "unavailable",
        `Cannot serve containerd's snapshots in '${this.#root}': another process does. Stop it first`,
        { cause: error },
      );
    }
  }

  /** Reads all of them; none where containerd was never served. */
  read(): StoredSnapshots {
    const stored: StoredSnapshots = { records: [], damaged: [] };
    for (const name of this.#names()) {
      if (!name.endsWith(".json") || name.startsWith(temporaryPrefix)) continue;
      try {
        const record = readJsonFile(join(this.#folder, name), snapshotRecordSchema);
        if (record !== undefined) stored.records.push(record);
      } catch (error) {
        stored.damaged.push(error instanceof Error ? error : new Error(String(error)));
      }
    }
    return stored;
  }

  /** Durable when it resolves. */
  async write(record: SnapshotRecord): Promise<void> {
    await writeJsonFileAsync(this.#path(record), snapshotRecordToJson(record));
  }

  /** A power cut may bring it back, with its device or without: containerd has such a snapshot removed again. */
  async remove(record: SnapshotRecord): Promise<void> {
    try {
      await unlink(this.#path(record));
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
    }
  }

  /** Removes what writers that died left. Only for who holds the lock. */
  async removeTemporaryFiles(): Promise<void> {
    for (const name of this.#names()) {
      if (name.startsWith(temporaryPrefix)) await rm(join(this.#folder, name), { force: true });
    }
  }

  #path({ device }: SnapshotRecord): string {
    return join(this.#folder, `${device}.json`);
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).sort();
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  }
}
