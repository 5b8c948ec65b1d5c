import type { ThinMetadata } from "./metadata.ts";
import type { ThinPoolTable } from "./pool-table.ts";
import type { ThinVolume } from "./volume.ts";

/** How to open a pool. */
export interface PoolOptions {
  readonly metadataPath: string;
  readonly dataPath: string;
  readonly table: ThinPoolTable;
  /** A file on tmpfs (its folder must exist). Without one an engine crash loses what was not flushed. */
  readonly journalPath?: string;
  /** Monotonic milliseconds; default performance.now. */
  readonly now?: () => number;
}

/** How to activate a volume. */
export interface ActivateOptions {
  /** Read-only file or block device that unmapped blocks are read from. */
  readonly externalOriginPath?: string;
  /** Kept for the caller, over engine crashes too: the device's name, say. */
  readonly tag: string;
  /** Identifies the control request, so that its repetition after a crash is recognised: `answerOf` then knows it. */
  readonly requestId?: string;
}

/** An active volume as `Pool.active` lists it. */
export interface ActiveVolume {
  readonly id: number;
  readonly sizeSectors: number;
  readonly tag: string;
  readonly externalOriginPath: string | undefined;
}

const unwritten = (..._: unknown[]): never => {
  throw new Error("not written yet");
};

/** A thin pool: devices, messages, modes. One thread owns it; everything is synchronous. */
export class Pool {
  /** For reading only (usage, owners, details): changes go through the pool. */
  readonly metadata!: ThinMetadata;
  table!: ThinPoolTable;
  /** Changes when queued requests should be repeated. */
  retryGeneration = 0;
  /** Counts what the kernel would raise a device-mapper event for: low water mark, mode changes. */
  events = 0;

  static open(options: PoolOptions): Pool {
    return unwritten(options);
  }
  /**
   * Carries out a kernel message. With `requestId` the answer is remembered in the same journal record (`answerOf`).
   * @throws ThinError EEXIST, ENODATA, EBUSY, EINVAL, EOPNOTSUPP (read-only pool)
   */
  message(line: string, requestId?: string): string {
    return unwritten(line, requestId);
  }
  /** @throws ThinError ENODATA (no such device), EBUSY (active already) */
  activate(id: number, sizeSectors: number, options: ActivateOptions): ThinVolume {
    return unwritten(id, sizeSectors, options);
  }
  /** @throws ThinError ENODATA when it is not active */
  deactivate(id: number, options: { requestId?: string } = {}): void {
    unwritten(id, options);
  }
  /** @throws ThinError ENODATA when it is not active */
  resizeVolume(id: number, sizeSectors: number, options: { requestId?: string } = {}): void {
    unwritten(id, sizeSectors, options);
  }
  volume(id: number): ThinVolume | undefined {
    return unwritten(id);
  }
  active(): ActiveVolume[] {
    return unwritten();
  }
  /** Puts another table in force: features, growth of data (table.sectors) and metadata (device size). */
  reload(table: ThinPoolTable, options: { requestId?: string } = {}): void {
    unwritten(table, options);
  }
  /** Makes everything acknowledged durable: 0 or a negative errno. */
  commit(): number {
    return unwritten();
  }
  /** To be called at `nextDeadlineMs()` or later: commits, time-outs, retries. */
  tick(nowMs?: number): void {
    unwritten(nowMs);
  }
  /** When `tick` has something to do, on the clock of `now`; Infinity when nothing waits. */
  nextDeadlineMs(): number {
    return unwritten();
  }
  /** The kernel's status parameters of the pool. */
  status(): string {
    return unwritten();
  }
  /** The kernel's status parameters of a thin device; the device must be active (ENODATA). */
  volumeStatus(id: number): string {
    return unwritten(id);
  }
  /** Keeps the answer of a control request over a crash, with the last 64. */
  rememberAnswer(requestId: string, answer: string): void {
    unwritten(requestId, answer);
  }
  answerOf(requestId: string): string | undefined {
    return unwritten(requestId);
  }
  /** Commits, removes the journal, closes the files. @returns 0 or the negative errno of the commit. */
  close(): number {
    return unwritten();
  }
  /** Closes the files as a crash would: no commit, journal kept. */
  abandon(): void {
    unwritten();
  }
}
