import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { readJsonFile, writeJsonFile } from "../graph/files/json-file.ts";
import { RangeLocks } from "../linux/range-lock.ts";
import { identitySchema, streamHeaderSchema } from "./stream/stream-header.ts";
import { streamPositionSchema } from "./stream/stream-position.ts";
import { TransferError } from "./transfer-error.ts";

/** A receive that has begun and is not complete; `$root/transfer/receiving/<identity>.json`. */
export const receiveRecordSchema = v.object({
  /** The stream's header, but for where it starts. */
  header: streamHeaderSchema,
  /** What the container is to be called. */
  name: v.string(),
  /** The graph's name of its device, which is no container's yet. */
  device: identitySchema,
  /** As far as it is on the disk; undefined while nothing is. */
  position: v.optional(streamPositionSchema),
  /** RFC 3339. */
  began: v.string(),
});
export type ReceiveRecord = v.InferOutput<typeof receiveRecordSchema>;

/**
 * The records of receives that can go on after a break: one is written before its device is made, and goes after the container's record is there.
 * So a device without a container always has a record that names it.
 */
export class PendingReceives {
  readonly #folder: string;
  readonly #lockFile: string;

  /** @param root the graph's folder */
  constructor(root: string) {
    this.#folder = join(root, "transfer", "receiving");
    this.#lockFile = join(root, "transfer", "lock");
  }

  /** Those that can be read, the oldest first. */
  list(): ReceiveRecord[] {
    if (!existsSync(this.#folder)) return [];
    return readdirSync(this.#folder)
      .flatMap((name) => /^([0-9a-f]{64})\.json$/.exec(name)?.[1] ?? [])
      .flatMap((identity) => this.find(identity) ?? [])
      .sort((one, other) => one.began.localeCompare(other.began));
  }

  find(identity: string): ReceiveRecord | undefined {
    return readJsonFile(this.#fileOf(identity), receiveRecordSchema);
  }

  /** Durable when it returns. */
  write(record: ReceiveRecord): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeJsonFile(this.#fileOf(record.header.to), record);
  }

  /** Only for who made a container of the device, or removed it. */
  forget(identity: string): void {
    rmSync(this.#fileOf(identity), { force: true });
  }

  /** Runs a task that no other process does with the same receive at the same time. @throws TransferError in-use */
  async alone<T>(identity: string, task: () => Promise<T>): Promise<T> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    // An opening of its own, as the locks of one opening do not exclude each other.
    const locks = new RangeLocks(this.#lockFile);
    try {
      if (locks.try(BigInt(parseInt(identity.slice(-12), 16)), 1n, "exclusive")) return await task();
      throw new TransferError("in-use", `Cannot go on: the receive of ${identity.slice(0, 12)} is under way elsewhere`);
    } finally {
      locks.close();
    }
  }

  #fileOf(identity: string): string {
    return join(this.#folder, `${identity}.json`);
  }
}
