import { ActiveVolumes } from "./active-volumes.ts";
import { ThinError } from "./errors.ts";
import type { ThinMetadata } from "./metadata.ts";
import { needsCommit } from "./pool-core.ts";
import type { PoolCore } from "./pool-core.ts";
import { executePoolMessage, parsePoolMessage } from "./pool-message.ts";
import type { MessageOptions } from "./pool-message.ts";
import { poolMode } from "./pool-mode.ts";
import type { PoolMode } from "./pool-mode.ts";
import { dataBlocksOf, openPoolCore, requireDataDevice, requireSameGeometry } from "./pool-opening.ts";
import type { PoolOptions } from "./pool-opening.ts";
import { replayJournal } from "./pool-replay.ts";
import { activation } from "./pool-session.ts";
import type { ActiveVolume } from "./pool-session.ts";
import { poolStatus, volumeStatus } from "./pool-status.ts";
import type { ThinPoolTable } from "./pool-table.ts";
import { QUEUED } from "./request-status.ts";
import type { RequestStatus } from "./request-status.ts";
import type { ThinVolume } from "./volume.ts";
import { errno, errnoName } from "../linux/system-error.ts";

export type { ActiveVolume } from "./pool-session.ts";
export type { PoolOptions } from "./pool-opening.ts";

/** How to activate a volume. */
export interface ActivateOptions {
  /** Read-only file or block device that unmapped blocks are read from. */
  readonly externalOriginPath?: string;
  /** Kept for the caller, over engine crashes too: the device's name, say. */
  readonly tag: string;
  /** Identifies the control request, so that its repetition after a crash is recognised: `answerOf` then knows it. */
  readonly requestId?: string;
}

/** An answer that outweighs this in the journal is worth a new journal. */
const journalLimitBytes = 1024 * 1024;

/**
 * A thin pool: its devices, messages and modes, with dm-thin's semantics. One thread owns it; everything is
 * synchronous.
 */
export class Pool {
  readonly #core: PoolCore;
  readonly #volumes: ActiveVolumes;

  /** Formats an empty metadata device, replays a crashed engine's journal (its volumes are active again), grows. */
  static open(options: PoolOptions): Pool {
    const core = openPoolCore(options);
    try {
      return new Pool(core);
    } catch (error) {
      core.journal.close();
      core.metadata.close();
      core.data.close();
      throw error;
    }
  }

  private constructor(core: PoolCore) {
    this.#core = core;
    this.#volumes = new ActiveVolumes(core);
    const replayed = replayJournal(core);
    if (replayed > 0) core.log("info", `Replayed ${replayed} changes that the engine before had not committed`);
    if (core.metadata.needsCheck && core.metadata.changed) core.metadata.abort();
    this.#volumes.revive();
    this.#grow();
    // A commit that changes something begins the journal anew by itself; before that, the old one must stay.
    if (core.metadata.changed) core.commit();
    else core.startJournal();
    if (core.table.readOnly) core.setMode(poolMode.readOnly);
  }

  /** For reading only (usage, owners, details): changes go through the pool. */
  get metadata(): ThinMetadata {
    return this.#core.metadata;
  }

  get table(): ThinPoolTable {
    return this.#core.table;
  }

  get mode(): PoolMode {
    return this.#core.mode;
  }

  /** Changes when queued requests should be repeated. */
  get retryGeneration(): number {
    return this.#core.retryGeneration;
  }

  /** Counts what the kernel would raise a device-mapper event for: low water marks, mode changes. */
  get events(): number {
    return this.#core.events;
  }

  /**
   * Carries out a kernel message and commits it, now or later. With `requestId` the answer is remembered in the same
   * journal record.
   *
   * @throws ThinError EEXIST, ENODATA, EBUSY, EINVAL; EOPNOTSUPP when the pool is read-only
   */
  message(line: string, options: MessageOptions = {}): string {
    const core = this.#core;
    const { requestId, answer = "" } = options;
    const message = parsePoolMessage(line);
    if (core.mode >= poolMode.outOfMetadataSpace) {
      throw new ThinError("EOPNOTSUPP", `Cannot '${line}': the pool is read-only or failed`);
    }
    if (message.kind === "delete" && this.#volumes.has(message.id)) {
      throw new ThinError("EBUSY", `Cannot delete thin device ${message.id}: it is active`);
    }
    const status = core.readinessToUnmap();
    if (status === needsCommit) this.#require(core.commitForSpace(), line);
    // The snapshot begins with a commit of its own, which must have its journal begun before the message's record.
    if (message.kind === "reserve_metadata_snap") this.#require(core.commit(), line);
    try {
      executePoolMessage(core.metadata, message, core.flushData);
    } catch (error) {
      if (error instanceof ThinError) throw error;
      this.#require(core.metadataFailed(line, error), line);
    }
    core.touch();
    core.session.remember(requestId, answer);
    const record = { kind: "message", line, answer, ...(requestId === undefined ? {} : { requestId }) } as const;
    // Without its record only a commit would save the message from a crash of the engine.
    if (core.journal.append(record) === 0 && options.commit === "later") return answer;
    const committed = core.commit();
    // On a full host disk the message waits in the journal for its commit, like everything else.
    if (committed === QUEUED) return answer;
    if (committed !== 0) core.session.forget(requestId);
    this.#require(committed, line);
    return answer;
  }

  /** @throws ThinError ENODATA (no such device), EBUSY (active already), EINVAL */
  activate(id: number, sizeSectors: number, options: ActivateOptions): ThinVolume {
    if (this.#volumes.has(id)) throw new ThinError("EBUSY", `Cannot activate thin device ${id}: it is active`);
    if (this.mode === poolMode.fail) {
      throw new ThinError("EINVAL", `Cannot activate thin device ${id}: the pool has failed`);
    }
    const { tag, requestId, externalOriginPath } = options;
    const entry: ActiveVolume = { id, sizeSectors, tag, externalOriginPath };
    const volume = this.#volumes.open(entry);
    try {
      this.#recordActive(entry, requestId);
    } catch (error) {
      this.#volumes.shut(volume);
      throw error;
    }
    return volume;
  }

  /** @throws ThinError ENODATA when it is not active */
  deactivate(id: number, options: { readonly requestId?: string } = {}): void {
    const volume = this.#volumes.require(id, "deactivate");
    const { requestId } = options;
    this.#core.session.active.delete(id);
    this.#core.session.remember(requestId, "");
    this.#recorded(
      this.#core.journal.append({ kind: "deactivate", id, ...(requestId === undefined ? {} : { requestId }) }),
    );
    this.#volumes.shut(volume);
  }

  /** @throws ThinError ENODATA when it is not active */
  resizeVolume(id: number, sizeSectors: number, options: { readonly requestId?: string } = {}): void {
    const volume = this.#volumes.require(id, "resize");
    const entry = this.#core.session.active.get(id);
    if (entry !== undefined) this.#recordActive({ ...entry, sizeSectors }, options.requestId);
    volume.sizeBytes = sizeSectors * 512;
  }

  /** Reads the data device as it is, blocks of whichever device: what a pool's own block device shows. */
  readData(buffer: Uint8Array, bufferOffset: number, offset: number, length: number): number {
    return this.#core.data.read(buffer, bufferOffset, offset, length);
  }

  volume(id: number): ThinVolume | undefined {
    return this.#volumes.get(id);
  }

  active(): ActiveVolume[] {
    return [...this.#core.session.active.values()];
  }

  /**
   * Puts another table in force: features, growth of data (to the table's length) and metadata (to its device's size).
   *
   * @throws ThinError EINVAL when the new table does not fit the pool
   */
  reload(table: ThinPoolTable, options: { readonly requestId?: string } = {}): void {
    const core = this.#core;
    core.data.refreshSize();
    requireDataDevice(core.data, table);
    requireSameGeometry(core.metadata, table);
    this.#require(core.commit(), "put another table in force");
    core.table = table;
    core.lowWater.rearm();
    core.setMode(table.readOnly ? poolMode.readOnly : poolMode.write);
    core.errorIfNoSpace = table.errorIfNoSpace;
    this.#grow();
    core.commit();
    core.retryQueued();
    if (options.requestId !== undefined) this.rememberAnswer(options.requestId, "");
  }

  /** Makes everything acknowledged durable. `QUEUED`: the host's disk is full, and it is tried again every second. */
  commit(): RequestStatus {
    return this.#core.commit();
  }

  /** To be called at `nextDeadlineMs()` or later: commits, time-outs, retries. */
  tick(nowMs: number = this.#core.now()): void {
    this.#core.tick(nowMs);
  }

  /** When `tick` has something to do, on the clock of `now`; Infinity when nothing waits. */
  nextDeadlineMs(): number {
    return this.#core.nextDeadlineMs();
  }

  /** The kernel's status parameters of the pool. */
  status(): string {
    return poolStatus(this.#core);
  }

  /** The kernel's status parameters of an active thin device. @throws ThinError ENODATA when it is not active */
  volumeStatus(id: number): string {
    return volumeStatus(this.#core, this.#volumes.require(id, "read the status of").mapping);
  }

  /** Keeps the answer of a control request over a crash, with the last 64. */
  rememberAnswer(requestId: string, answer: string): void {
    this.#core.session.remember(requestId, answer);
    this.#recorded(this.#core.journal.append({ kind: "answer", requestId, answer }));
  }

  answerOf(requestId: string): string | undefined {
    return this.#core.session.answerOf(requestId);
  }

  /** Commits, removes the journal, closes the files. @returns 0 or the negative errno of the commit */
  close(): number {
    const status = this.#core.commit();
    if (status === 0) this.#core.journal.remove();
    this.abandon();
    return status === QUEUED ? -errno.ENOSPC : status;
  }

  /** Closes the files as a crash would: no commit, the journal stays. */
  abandon(): void {
    this.#volumes.abandon();
    this.#core.journal.close();
    this.#core.metadata.close();
    this.#core.data.close();
  }

  #grow(): void {
    const { metadata, table, mode, log } = this.#core;
    const dataBlocks = dataBlocksOf(table);
    const metadataBlocks = metadata.metadataDeviceBlocks;
    if (dataBlocks <= metadata.dataBlocks && metadataBlocks <= metadata.metadataBlocks) return;
    if (mode >= poolMode.readOnly) {
      log("warn", "The pool cannot grow while it is read-only");
      return;
    }
    try {
      if (metadataBlocks > metadata.metadataBlocks) metadata.resizeMetadata(metadataBlocks);
      if (dataBlocks > metadata.dataBlocks) metadata.resizeData(dataBlocks);
      this.#core.touch();
    } catch (error) {
      this.#require(this.#core.metadataFailed("grow", error), "grow the pool");
    }
  }

  #recordActive(entry: ActiveVolume, requestId: string | undefined): void {
    this.#core.session.active.set(entry.id, entry);
    this.#core.session.remember(requestId, "");
    this.#recorded(this.#core.journal.append(activation(entry, requestId)));
  }

  /** The session changed: where its record was refused, or the journal grew long, a new journal tells all of it. */
  #recorded(status: number): void {
    if (status === 0 && this.#core.journal.sizeBytes < journalLimitBytes) return;
    if (this.#core.commit() === 0) this.#core.startJournal();
  }

  #require(status: number, what: string): void {
    if (status === 0) return;
    throw new ThinError(errnoName(Math.abs(status)), `Cannot ${what}: the pool could not commit it`);
  }
}
