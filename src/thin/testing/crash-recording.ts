import type { DiskEvent, MemoryDisk } from "./memory-disk.ts";
import type { JournalEvent, MemoryJournalFile } from "./memory-devices.ts";
import type { TestPool } from "./test-pool.ts";

/** A write, discard, flush or append to one of a pool's three devices. */
export type CrashEvent = DiskEvent | JournalEvent;

/** Records everything that a pool does to its devices from now on. */
export function recordEvents(disks: TestPool): CrashEvent[] {
  const events: CrashEvent[] = [];
  const record = (event: CrashEvent): void => {
    events.push(event);
  };
  disks.data.onEvent = record;
  disks.metadata.onEvent = record;
  disks.journal.onEvent = record;
  return events;
}

/** A disk and what was done to it since its last flush, so that any part of that can be lost. */
export class VolatileDisk {
  /** As the medium has it for certain. */
  readonly durable: MemoryDisk;
  #unflushed: DiskEvent[] = [];

  constructor(disk: MemoryDisk) {
    this.durable = disk.clone();
  }

  apply(event: DiskEvent): void {
    this.#unflushed.push(event);
    if (event.kind !== "flush") return;
    for (const each of this.#unflushed) this.durable.apply(each);
    this.#unflushed = [];
  }

  /** After a power cut: each change that was not flushed is there when `kept` says so; writes may be torn. */
  afterPowerCut(kept: () => boolean): MemoryDisk {
    const disk = this.durable.clone();
    for (const event of this.#unflushed) {
      if (event.kind !== "write" || event.bytes.length <= 4096) {
        if (kept()) disk.apply(event);
        continue;
      }
      for (let at = 0; at < event.bytes.length; at += 4096) {
        if (kept()) disk.apply({ ...event, offset: event.offset + at, bytes: event.bytes.subarray(at, at + 4096) });
      }
    }
    disk.flush();
    return disk;
  }

  /** After a kill of the process: everything is there. */
  afterKill(): MemoryDisk {
    return this.afterPowerCut(() => true);
  }
}

/** Does a recorded event to its device's replica. */
export function applyEvent(
  event: CrashEvent,
  replicas: { data: VolatileDisk; metadata: VolatileDisk; journal: MemoryJournalFile },
): void {
  if (event.disk === "journal") replicas.journal.apply(event as JournalEvent);
  else if (event.disk === "data") replicas.data.apply(event);
  else replicas.metadata.apply(event as DiskEvent);
}
