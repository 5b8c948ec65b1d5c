import type { MessageDurability } from "../../device-mapper/device-mapper.ts";
import { errorCode } from "../../linux/system-error.ts";
import { growByPolicy, mayHaveToGrow } from "../growth/autogrow.ts";
import type { DeviceIds } from "./device-ids.ts";
import { maxDeviceId, type DeviceMetadata } from "../files/device-metadata.ts";
import { baseId } from "../devices/device-names.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import type { Durability } from "../files/json-file.ts";
import type { PoolStatus } from "../pool/pool-status.ts";
import { olderPool, requireSamePool } from "./pool-identity.ts";
import { findDisagreement, reconcile } from "./reconcile.ts";
import { poolStatus, requireFreeSpace } from "../pool/thin-pool.ts";
import type { TransactionMetadata } from "../files/transaction-metadata.ts";
import { mayHaveLostTransactions } from "../files/userspace-mark.ts";

/**
 * The one door for changes of the pool's devices. A transaction is named in a file before the pool changes, and complete when the
 * pool's transaction id has moved; what a crash leaves in between is undone before the next one. Every function here is only
 * for who holds the graph's lock. Each step is told to the log at level debug.
 */
export class Transactions {
  readonly #context: GraphContext;
  readonly #ids: DeviceIds;
  /** The transaction that the file named when it was last seen to be complete. */
  #complete: TransactionMetadata | undefined;

  constructor(context: GraphContext, ids: DeviceIds) {
    this.#context = context;
    this.#ids = ids;
  }

  /** Makes an empty device. */
  async createThin(id: string, sizeBytes: number): Promise<DeviceMetadata> {
    return this.#create(id, sizeBytes, (deviceId) => `create_thin ${deviceId}`);
  }

  /** Makes a device that begins as a copy of another. The origin has to be at rest (see `quiesced`). */
  async createSnapshot(id: string, origin: DeviceMetadata, sizeBytes: number): Promise<DeviceMetadata> {
    return this.#create(id, sizeBytes, (deviceId) => `create_snap ${deviceId} ${origin.deviceId}`);
  }

  /** Deletes a device, which must not be active. */
  async delete(id: string, metadata: DeviceMetadata): Promise<void> {
    const status = await this.#begin();
    const open = this.#open(status, id, metadata.deviceId);
    await this.#deleteFromPool(metadata.deviceId, "with the next commit");
    this.#context.store.removeDevice(id, this.#durability);
    this.#step(`device ${id} is out of the files`);
    await this.#commit(status, open);
  }

  /**
   * Undoes what another process may have left half done, before the files are believed. Costs one stat while nobody else
   * changes the graph. Takes the graph's lock itself, where it has to.
   */
  async settle(): Promise<void> {
    if (this.#complete !== undefined && this.#readTransaction() === this.#complete) return;
    await this.#context.locks.change(async () => this.recover(await poolStatus(this.#context)));
  }

  /**
   * Undoes what a crash left half done. For a deletion that is: completes it.
   *
   * @param status of the pool, at this moment
   * @returns whether something was undone, or may have been
   */
  async recover(status: PoolStatus): Promise<boolean> {
    const { open, compared } = await this.#lastTransaction(status);
    if (open === undefined || open.openTransactionId <= status.transactionId) {
      this.#complete = open;
      return compared;
    }
    if (open.openTransactionId === status.transactionId + 1) {
      await this.#undo(open, status);
    } else {
      if (!mayHaveLostTransactions(this.#context.root))
        throw olderPool(this.#context, status.transactionId, open.openTransactionId);
      // The pool has lost more than the last change: a power cut took what it had not yet written.
      this.#context.log(
        "warn",
        `the pool has lost changes since transaction ${status.transactionId}: comparing it with the files`,
      );
      await this.#compare(status);
    }
    this.#writeTransaction({ openTransactionId: status.transactionId, deviceHash: "", deviceId: 0 });
    this.#step(`transaction ${open.openTransactionId} is undone`);
    return true;
  }

  async #compare(status: PoolStatus): Promise<void> {
    const found = await findDisagreement(this.#context);
    requireSamePool(this.#context, status, found);
    await reconcile(this.#context, found);
  }

  async #undo(open: TransactionMetadata, status: PoolStatus): Promise<void> {
    const id = open.deviceHash === "" ? baseId : open.deviceHash;
    const stored = this.#context.store.device(id);
    if (await this.#belongs(open, stored, status)) {
      this.#context.log("info", `undoing a change of device ${id} (${open.deviceId}) that was not completed`);
      await this.#resume(id);
      await this.#deleteFromPool(open.deviceId);
      if (stored?.deviceId === open.deviceId) this.#context.store.removeDevice(id, this.#durability);
    }
  }

  async #create(id: string, sizeBytes: number, message: (deviceId: number) => string): Promise<DeviceMetadata> {
    const status = await this.#withFreeSpace(await this.#begin());
    const { deviceId, open } = await this.#createInPool(status, id, message);
    try {
      const metadata = {
        deviceId,
        sizeBytes,
        transactionId: open.openTransactionId,
        initialized: false,
        deleted: false,
      };
      this.#context.store.writeDevice(id, metadata);
      this.#step(`device ${id} is in the files`);
      await this.#commit(status, open);
      return metadata;
    } catch (error) {
      if (errorCode(error) === "EFOREIGN") await this.#undo(open, status);
      else await this.#recoverAfterFailure(error);
      throw error;
    }
  }

  async #createInPool(
    status: PoolStatus,
    id: string,
    message: (deviceId: number) => string,
  ): Promise<{ deviceId: number; open: TransactionMetadata }> {
    let taken: Set<number> | undefined;
    for (let attempt = 0; attempt <= maxDeviceId; attempt++) {
      const deviceId = this.#ids.next();
      if (taken?.has(deviceId) === true) continue;
      const open = this.#open(status, id, deviceId);
      try {
        await this.#context.mapper.message(this.#context.pool, message(deviceId), "with the next commit");
        this.#step(`device ${id} (${deviceId}) is in the pool`);
        return { deviceId, open };
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
        this.#context.log(
          "error",
          `device id ${deviceId} should be free, but exists in pool ${this.#context.pool}: skipped`,
        );
        taken ??= new Set((await this.#context.mapper.usage(this.#context.pool)).devices.map((device) => device.id));
      }
    }
    throw new GraphError("ENOSPC", `Cannot make device ${id}: all ${maxDeviceId} device ids of the pool are in use`);
  }

  /** A pool that is to grow by itself does so before anything is refused for lack of space. */
  async #withFreeSpace(status: PoolStatus): Promise<PoolStatus> {
    const context = this.#context;
    let now = status;
    if (mayHaveToGrow(context, status)) {
      const { grown, refusals } = await context.locks.poolTable(() => growByPolicy(context));
      for (const refusal of refusals) this.#step(refusal);
      if (grown !== undefined) now = await poolStatus(context);
    }
    requireFreeSpace(context, now);
    return now;
  }

  async #begin(): Promise<PoolStatus> {
    const status = await poolStatus(this.#context);
    await this.recover(status);
    return status;
  }

  #open(status: PoolStatus, id: string, deviceId: number): TransactionMetadata {
    const open = {
      openTransactionId: status.transactionId + 1,
      deviceHash: id === baseId ? "" : id,
      deviceId,
    };
    this.#writeTransaction(open);
    this.#step(`transaction ${open.openTransactionId} is open for device ${id} (${deviceId})`);
    return open;
  }

  async #commit(status: PoolStatus, open: TransactionMetadata): Promise<void> {
    const message = `set_transaction_id ${status.transactionId} ${open.openTransactionId}`;
    try {
      await this.#context.mapper.message(this.#context.pool, message);
    } catch (error) {
      await this.#requireTransaction(status.transactionId);
      throw error;
    }
    this.#complete = this.#readTransaction();
    this.#step(`transaction ${open.openTransactionId} is complete`);
  }

  /** Who else uses the pool (dm.thinpooldev) may have taken the very number that our change was to have. */
  async #requireTransaction(transactionId: number): Promise<void> {
    const { pool } = this.#context;
    const now = (await poolStatus(this.#context)).transactionId;
    if (now === transactionId) return;
    throw new GraphError(
      "EFOREIGN",
      `Cannot complete the change: pool ${pool} is at transaction ${now} and was at ${transactionId} a moment ago, so someone else changes it ` +
        "too. A pool serves one graph: give each its own",
    );
  }

  /** A failed change is undone at once; if even that fails, the next one does it. */
  async #recoverAfterFailure(cause: unknown): Promise<void> {
    try {
      await this.recover(await poolStatus(this.#context));
    } catch (error) {
      this.#context.log("warn", `could not undo a change that failed (${text(cause)}): ${text(error)}`);
    }
  }

  async #deleteFromPool(deviceId: number, durability: MessageDurability = "at once"): Promise<void> {
    try {
      await this.#context.mapper.message(this.#context.pool, `delete ${deviceId}`, durability);
    } catch (error) {
      if (errorCode(error) !== "ENODATA") throw error;
    }
    this.#step(`device ${deviceId} is out of the pool`);
  }

  /**
   * Whether the device that an open transaction names is that transaction's own. Its id may have been taken by somebody else's
   * device all the time, and the crash have come before the next id was tried: dm-thin remembers in which transaction a device was made.
   */
  async #belongs(open: TransactionMetadata, stored: DeviceMetadata | undefined, status: PoolStatus): Promise<boolean> {
    if (stored?.deviceId === open.deviceId) return true;
    const { devices } = await this.#context.mapper.usage(this.#context.pool);
    const device = devices.find(({ id }) => id === open.deviceId);
    if (device?.transactionId !== status.transactionId) return false;
    for (const { deviceId } of this.#context.store.devices().devices.values())
      if (deviceId === open.deviceId) return false;
    return true;
  }

  /** A snapshot's origin is suspended for a moment: a crash right then would leave it so. */
  async #resume(id: string): Promise<void> {
    const { mapper, names } = this.#context;
    for (const info of await mapper.list()) {
      if (info.suspended && names.idOf(info.name) !== undefined) await mapper.resume(info.name);
    }
    const info = await mapper.info(names.device(id));
    if (info !== undefined && !info.open) await mapper.remove(info.name);
  }

  async #lastTransaction(
    status: PoolStatus,
  ): Promise<{ open: TransactionMetadata | undefined; /** Instead of reading it. */ compared: boolean }> {
    try {
      return { open: this.#context.store.transaction(), compared: false };
    } catch (error) {
      if (errorCode(error) !== "EDAMAGED") throw error;
      this.#context.log("warn", `${text(error)}. Comparing the pool with the files instead`);
      await this.#compare(status);
      const none = { openTransactionId: status.transactionId, deviceHash: "", deviceId: 0 };
      this.#writeTransaction(none);
      return { open: none, compared: true };
    }
  }

  #readTransaction(): TransactionMetadata | undefined {
    try {
      return this.#context.store.transaction();
    } catch {
      // Damaged: recovery deals with it.
      return undefined;
    }
  }

  #writeTransaction(open: TransactionMetadata): void {
    this.#context.store.writeTransaction(open, this.#durability);
  }

  /** Of files that are compared with the pool when that is started: what a power cut takes, or brings back, is put right then. */
  get #durability(): Durability {
    return this.#context.exclusivePool ? "not-durable" : "durable";
  }

  #step(what: string): void {
    this.#context.log("debug", what);
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
