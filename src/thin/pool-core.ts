import { errno } from "../linux/system-error.ts";
import type { DataDevice } from "./data-device.ts";
import { FreedBlocks } from "./freed-blocks.ts";
import type { Journal } from "./journal.ts";
import { LowWaterMarks } from "./low-water-marks.ts";
import { MetadataFullError } from "../persistent-data/metadata-error.ts";
import type { ThinMetadata } from "./metadata.ts";
import { negativeErrno } from "./negative-errno.ts";
import { poolMode } from "./pool-mode.ts";
import type { PoolMode } from "./pool-mode.ts";
import type { PoolSession } from "./pool-session.ts";
import type { ThinPoolTable } from "./pool-table.ts";
import { QUEUED } from "./request-status.ts";
import type { RequestStatus } from "./request-status.ts";

/** Milliseconds from the first uncommitted change to its commit (dm-thin.c, COMMIT_PERIOD). */
export const commitPeriodMs = 1000;
/** Milliseconds that requests wait for space before they fail (dm-thin.c, no_space_timeout). */
export const noSpaceTimeoutMs = 60_000;
/** How often requests that wait for space on the host's file system are tried again. */
const hostSpaceRetryMs = 1000;

/** Told what an administrator should know. */
export type PoolLog = (level: "info" | "warn" | "error", message: string) => void;

/** What a volume must tell the pool when a transaction is lost. */
export interface TransactionMember {
  /** It has changes that are not committed. */
  changed: boolean;
  /** Changes that it acknowledged were lost: its flushes fail from now on. */
  lostChanges: boolean;
}

/** What a pool is made of. */
export interface PoolParts {
  readonly metadata: ThinMetadata;
  readonly data: DataDevice;
  readonly journal: Journal;
  readonly session: PoolSession;
  readonly table: ThinPoolTable;
  readonly now: () => number;
  readonly log: PoolLog;
}

/** The state that volumes and control share: modes, transactions, space. Statuses are 0 or negative errnos. */
export class PoolCore {
  readonly metadata: ThinMetadata;
  readonly data: DataDevice;
  readonly journal: Journal;
  readonly session: PoolSession;
  readonly now: () => number;
  readonly log: PoolLog;
  readonly members = new Map<number, TransactionMember>();
  readonly blockBytes: number;
  table: ThinPoolTable;
  mode: PoolMode = poolMode.write;
  /** The table's errorIfNoSpace, or true once requests have waited too long. */
  errorIfNoSpace: boolean;
  retryGeneration = 0;
  events = 0;
  /** When the first uncommitted change was made; Infinity when there is none. */
  changedSinceMs = Infinity;
  readonly freed = new FreedBlocks();
  /** Notes a data block whose last reference went. */
  readonly noteFreed = (dataBlock: number): void => {
    if (this.table.noDiscardPassdown || this.table.ignoreDiscard) return;
    this.freed.add(dataBlock);
  };
  readonly lowWater = new LowWaterMarks();
  #noSpaceSinceMs = Infinity;
  /** It is the host's file system that is full, not the pool. */
  #hostFull = false;
  #hostRetryMs = Infinity;
  /** Flushes the data device, for the metadata's commit; throws where that fails. */
  readonly flushData = (): void => {
    const status = this.data.flush();
    if (status !== 0) throw Object.assign(new Error("Cannot flush the data device"), { errno: status });
  };

  constructor(parts: PoolParts) {
    this.metadata = parts.metadata;
    this.data = parts.data;
    this.journal = parts.journal;
    this.session = parts.session;
    this.table = parts.table;
    this.now = parts.now;
    this.log = parts.log;
    this.blockBytes = parts.table.blockSizeSectors * 512;
    this.errorIfNoSpace = parts.table.errorIfNoSpace;
  }

  /** Must follow every change of the metadata: starts the clock of the next commit. */
  touch(): void {
    if (this.changedSinceMs === Infinity) this.changedSinceMs = this.now();
  }

  /**
   * Makes all that was acknowledged durable. `QUEUED` when the host's file system is full: everything stays in memory
   * and journal, and the commit is tried again every second.
   */
  commit(): RequestStatus {
    if (this.mode >= poolMode.readOnly || !this.metadata.changed) {
      this.changedSinceMs = Infinity;
      return this.data.flush();
    }
    try {
      this.metadata.commit(this.flushData);
    } catch (error) {
      const status = negativeErrno(error);
      if (error instanceof MetadataFullError || !isHostFull(status)) return this.metadataFailed("commit", error);
      this.changedSinceMs = this.now();
      return this.dataFailed(status);
    }
    this.#committed();
    return 0;
  }

  #committed(): void {
    this.changedSinceMs = Infinity;
    for (const member of this.members.values()) member.changed = false;
    const runs = this.freed.takeRuns();
    this.startJournal(runs);
    for (const run of runs) this.data.discard(run.dataBlock * this.blockBytes, run.blocks * this.blockBytes);
    if (this.lowWater.metadataCrossed(this.metadata.freeMetadataBlocks, this.metadata.metadataBlocks)) {
      this.events++;
      this.log("warn", "The pool reached its low water mark for metadata: grow the metadata device");
    }
    this.dataWritten();
    if (this.mode === poolMode.outOfDataSpace && this.metadata.freeDataBlocks > 0) {
      this.setMode(poolMode.write);
    }
  }

  /** Begins a new journal over the committed superblock. */
  startJournal(freed: readonly { dataBlock: number; blocks: number }[] = []): void {
    const status = this.journal.start(this.metadata.superblockChecksum(), this.session, freed);
    if (status !== 0)
      this.log("warn", `Cannot begin a new journal (error ${-status}): changes are committed one by one`);
  }

  /**
   * After an append to the journal: where it failed the change is made durable otherwise.
   * @returns 0 when it is safe to acknowledge
   */
  journaled(status: number): number {
    return status === 0 ? 0 : this.commit();
  }

  /**
   * The metadata failed during a change: as the kernel does, forgets the transaction, asks for a check and goes
   * read-only, or fails when even that is impossible.
   * @returns the negative errno for the request
   */
  metadataFailed(what: string, error: unknown): number {
    const status = negativeErrno(error);
    const reason = error instanceof Error ? error.message : String(error);
    this.log("error", `The pool's metadata operation '${what}' failed: ${reason}`);
    if (this.mode >= poolMode.readOnly) return status;
    let mode: PoolMode = poolMode.readOnly;
    try {
      this.metadata.abort();
      for (const member of this.members.values()) {
        if (member.changed) member.lostChanges = true;
        member.changed = false;
      }
      this.freed.takeRuns();
      this.changedSinceMs = Infinity;
      this.metadata.setNeedsCheck();
    } catch (failure) {
      mode = poolMode.fail;
      this.log("error", `Cannot abort the pool's transaction: ${failure instanceof Error ? failure.message : ""}`);
    }
    this.setMode(mode);
    if (mode === poolMode.readOnly) this.startJournal();
    return status;
  }

  /** A change is about to be made to the metadata: 0, or `needsCommit`, or the status the request must end with. */
  readiness(): RequestStatus {
    if (this.mode !== poolMode.write && !(this.mode === poolMode.outOfDataSpace && this.#hostFull)) {
      return this.unserviceable();
    }
    return this.metadata.metadataLow() ? needsCommit : 0;
  }

  /** The same for unmapping, which needs no data space. */
  readinessToUnmap(): RequestStatus {
    if (this.mode > poolMode.outOfDataSpace) return -errno.EIO;
    return this.metadata.metadataLow() ? needsCommit : 0;
  }

  /** After unmapping: requests that wait for data space get it at once. */
  unmapped(): RequestStatus {
    const waiting = this.mode === poolMode.outOfDataSpace && this.metadata.changed;
    return waiting ? this.commit() : 0;
  }

  /** Commits so that freed metadata and data blocks can be used. */
  commitForSpace(): RequestStatus {
    if (this.metadata.changed) {
      const status = this.commit();
      if (status !== 0) return status;
    }
    if (!this.metadata.metadataLow()) return 0;
    this.setMode(poolMode.outOfMetadataSpace);
    return this.unserviceable();
  }

  /** The pool has no data block to give. */
  outOfDataSpace(): RequestStatus {
    if (this.mode === poolMode.write) this.setMode(poolMode.outOfDataSpace);
    return this.unserviceable();
  }

  /** What a request ends with that this mode cannot serve (dm-thin.c, should_error_unserviceable_bio). */
  unserviceable(): RequestStatus {
    if (this.mode !== poolMode.outOfDataSpace) return -errno.EIO;
    return this.errorIfNoSpace ? -errno.ENOSPC : QUEUED;
  }

  /** A device refused a write: a full host file system is waited for like a full pool. */
  dataFailed(status: number): RequestStatus {
    if (!isHostFull(status)) return status;
    if (!this.#hostFull) this.log("error", "The file system that holds the pool is full");
    this.#hostFull = true;
    if (this.mode === poolMode.write) this.setMode(poolMode.outOfDataSpace);
    if (this.#hostRetryMs === Infinity) this.#hostRetryMs = this.now() + hostSpaceRetryMs;
    return this.unserviceable();
  }

  /** A write reached the data device after all. */
  dataWritten(): void {
    if (!this.#hostFull) return;
    this.#hostFull = false;
    this.#hostRetryMs = Infinity;
    if (this.mode === poolMode.outOfDataSpace) this.setMode(poolMode.write);
  }

  /** After an allocation: raises the low water mark's event, once. */
  checkLowWaterMark(): void {
    if (this.lowWater.dataCrossed(this.metadata.freeDataBlocks, this.table.lowWaterMarkBlocks)) {
      this.events++;
      this.log("warn", "The pool reached its low water mark for data: grow the data device");
    }
  }

  /** Changes the mode as far as that is allowed: nothing leads out of `fail`, nor to `write` past needs_check. */
  setMode(wanted: PoolMode): void {
    let mode = wanted;
    if (this.mode === poolMode.fail) mode = poolMode.fail;
    else if (mode < poolMode.readOnly && this.metadata.needsCheck) {
      this.log("error", "The pool stays read-only until its metadata is checked (needs_check)");
      mode = poolMode.readOnly;
    }
    if (mode === poolMode.write) this.errorIfNoSpace = this.table.errorIfNoSpace;
    if (mode !== poolMode.outOfDataSpace) {
      this.#noSpaceSinceMs = Infinity;
      this.#hostFull = false;
      this.#hostRetryMs = Infinity;
    } else if (this.mode !== mode) this.#noSpaceSinceMs = this.now();
    if (mode === this.mode) return;
    this.mode = mode;
    this.events++;
    this.retryGeneration++;
    this.log(mode === poolMode.write ? "info" : "warn", `The pool's mode is now ${modeNames[mode]}`);
  }

  /** Queued requests may succeed now. */
  retryQueued(): void {
    this.retryGeneration++;
  }

  tick(nowMs: number): void {
    if (nowMs >= this.changedSinceMs + commitPeriodMs) this.commit();
    if (nowMs >= this.#noSpaceSinceMs + noSpaceTimeoutMs && !this.errorIfNoSpace) {
      this.errorIfNoSpace = true;
      this.events++;
      this.retryGeneration++;
      this.log("error", "Requests waited for space too long: they fail from now on");
    }
    if (nowMs >= this.#hostRetryMs) {
      this.#hostRetryMs = nowMs + hostSpaceRetryMs;
      this.retryGeneration++;
    }
  }

  nextDeadlineMs(): number {
    const timeout = this.errorIfNoSpace ? Infinity : this.#noSpaceSinceMs + noSpaceTimeoutMs;
    return Math.min(this.changedSinceMs + commitPeriodMs, timeout, this.#hostRetryMs);
  }
}

function isHostFull(status: number): boolean {
  return status === -errno.ENOSPC || status === -errno.EDQUOT;
}

/** From `readiness`: bring everything to a state fit for a commit, then call `commitForSpace`. */
export const needsCommit = 2;

const modeNames = ["rw", "out_of_data_space", "out_of_metadata_space", "ro", "fail"] as const;
