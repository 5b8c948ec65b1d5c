import type { ControlHandler } from "./control-file.ts";
import type { ExportedFile, ExportedFiles } from "./exported-files.ts";
import type { Schedule } from "./fuse-server.ts";

/** What a service tells the server. */
export interface ServiceHooks {
  /** Held requests may go on now. */
  retryHeld(): void;
  /** Serve no longer: what was served was closed. */
  stop(): void;
}

/** Executes an engine's control messages, and knows which files its mount has. */
export interface EngineService {
  /** Makes files of what was active when an earlier engine ended. */
  exportActive(): void;
  /** Ends what a crash left active: for a device that starts afresh. */
  forgetActive(): void;
  readonly execute: ControlHandler;
  /** A file that was to go at its last close was closed. */
  lastClose(file: ExportedFile): void;
}

/** What an engine serves, opened: a pool with its volumes, or one mapped device. */
export interface EngineDevice {
  readonly schedule: Schedule;
  /** What loop devices take as discard granularity. */
  readonly blockSizeBytes: number;
  service(files: ExportedFiles, hooks: ServiceHooks): EngineService;
  /** The mount is gone: everything is written out and closed. */
  close(): void;
  /** Closed as a crash would: another engine takes over from what is on the disk. */
  abandon(): void;
}

/** For what does nothing unasked. */
export const nothingDue: Schedule = { nextDeadlineMs: () => Infinity, tick: () => undefined, retryGeneration: 0 };
