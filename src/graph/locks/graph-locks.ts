import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { LockKind } from "../../linux/range-lock.ts";
import { GraphError } from "../graph-error.ts";
import type { GraphLog } from "../graph-options.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { LockSlots, slots } from "./lock-slots.ts";

const noticeAfterMs = 1000;
/** An operation's lock is kept for so long, as the next operation is often right behind. */
const afterglowMs = 50;
/** How long growing waits for a change to end before it goes on beside it. */
const momentMs = 2000;

/**
 * Who may do what to a graph at the same time, in this process and among processes. From the outside in: an operation
 * (shared; shutdown is alone) → a device (its mounting, unmounting, formatting: may take long) → the graph (a change of pool, names or
 * files: short) → the pool's table. Always taken in that order. All are locks of the kernel, so a process that dies leaves none.
 */
export class GraphLocks {
  readonly #locks: LockSlots;
  readonly #queue = new KeyedQueue();
  readonly #log: GraphLog;
  readonly #timeoutMs: number;
  readonly #root: string;
  #operations = 0;
  /** There while no operation runs and the lock for them is still held. */
  #lastOperation: NodeJS.Timeout | undefined;
  #stopping = false;
  readonly #kept = new Set<string>();

  constructor(root: string, timeoutMs: number, log: GraphLog) {
    this.#root = root;
    this.#locks = new LockSlots(join(root, "lock"));
    this.#timeoutMs = timeoutMs;
    this.#log = log;
  }

  /** A change of the pool, the devices' names or the JSON files. */
  async change<T>(task: () => Promise<T>): Promise<T> {
    return this.#exclusively(slots.change, "the graph", task);
  }

  /**
   * `change` if it can be had within a moment; else the task runs beside whoever has it. For growing the pool: who holds the graph
   * longer than a moment may be waiting for the very space that growing makes.
   */
  async changeOrBeside<T>(task: () => Promise<T>): Promise<T> {
    for (const giveUpAt = performance.now() + momentMs; performance.now() < giveUpAt; await sleep(10)) {
      if (this.#queue.isBusy(slots.change)) continue;
      const done = await this.#queue.run(slots.change, async () => {
        if (!this.#locks.try(slots.change, "exclusive")) return undefined;
        return { result: await this.#holding(slots.change, task) };
      });
      if (done !== undefined) return done.result;
    }
    return task();
  }

  /** A change of the pool's table. Taken inside `change` by who has that. */
  async poolTable<T>(task: () => Promise<T>): Promise<T> {
    return this.#exclusively(slots.poolTable, "the pool's size", task);
  }

  /** This process becomes the pool's monitor, for as long as it has the graph open; false where another one is. */
  becomeMonitor(): boolean {
    return this.#locks.tryForLong(slots.monitor, "exclusive");
  }

  /** The process that is the pool's monitor: its number, as that process sees it. */
  monitor(): number | "unknown" | "none" {
    if (!this.#locks.isHeld(slots.monitor)) return "none";
    return this.#locks.holders(slots.monitor)[0] ?? "unknown";
  }

  /** Work on one device. */
  async device<T>(id: string, task: () => Promise<T>): Promise<T> {
    return this.#exclusively(slots.device(id, "busy"), `device ${id}`, task);
  }

  /** Any operation but shutdown. Not to be nested. */
  async operation<T>(task: () => Promise<T>): Promise<T> {
    if (this.#operations > 0 && !this.#stopping) {
      this.#operations++;
    } else {
      await this.#queue.run(slots.operation, async () => {
        if (this.#operations === 0) await this.#beginOperations();
        this.#operations++;
      });
    }
    try {
      return await task();
    } finally {
      if (--this.#operations === 0) this.#lastOperation = setTimeout(() => this.#endOperations(), afterglowMs).unref();
    }
  }

  /** Shutdown: no operation runs anywhere, and none begins. Refused while another process has devices in use, or serves the graph. */
  async alone<T>(task: () => Promise<T>): Promise<T> {
    // At once, rather than after waiting for a daemon that is always at work.
    this.#refuseWhileServed();
    this.#stopping = true;
    try {
      return await this.#queue.run(slots.operation, async () => {
        while (this.#operations > 0) await sleep(2);
        if (this.#lastOperation !== undefined) this.#endOperations();
        await this.#acquire(slots.operation, "exclusive", "the graph");
        return this.#holding(slots.operation, () => this.#withoutUsers(task));
      });
    } finally {
      this.#stopping = false;
    }
  }

  /** This process begins to use a device: until `endUse`, no other process unmounts it. */
  beginUse(id: string): void {
    this.#locks.try(slots.device(id, "used"), "shared");
  }

  endUse(id: string): void {
    this.#locks.release(slots.device(id, "used"));
    this.unmarkKept(id);
  }

  /** Whether another process, or another opener in this one, uses a device. */
  hasOtherUsers(id: string): boolean {
    return this.#locks.isHeld(slots.device(id, "used"));
  }

  /** In words. */
  otherUsers(id: string): string {
    return this.#holders(slots.device(id, "used"));
  }

  /** Remembers, for as long as this process uses the device, that it was mounted for someone who is gone. */
  markKept(id: string): void {
    this.#kept.add(id);
    this.#locks.try(slots.device(id, "kept"), "shared");
  }

  /** It is this process's own from now on. */
  unmarkKept(id: string): void {
    if (this.#kept.delete(id)) this.#locks.release(slots.device(id, "kept"));
  }

  /** Whether a process that uses the device marked it so. */
  isKept(id: string): boolean {
    return this.#locks.isHeld(slots.device(id, "kept"));
  }

  close(): void {
    clearTimeout(this.#lastOperation);
    this.#locks.close();
  }

  async #beginOperations(): Promise<void> {
    clearTimeout(this.#lastOperation);
    if (this.#lastOperation === undefined) await this.#acquire(slots.operation, "shared", "the graph");
    this.#lastOperation = undefined;
  }

  #endOperations(): void {
    clearTimeout(this.#lastOperation);
    this.#locks.release(slots.operation);
    this.#lastOperation = undefined;
  }

  async #exclusively<T>(slot: number, what: string, task: () => Promise<T>): Promise<T> {
    return this.#queue.run(slot, async () => {
      await this.#acquire(slot, "exclusive", what);
      return this.#holding(slot, task);
    });
  }

  async #holding<T>(slot: number, task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } finally {
      this.#locks.release(slot);
    }
  }

  /** None can begin to use a device meanwhile, as that is an operation. */
  async #withoutUsers<T>(task: () => Promise<T>): Promise<T> {
    this.#refuseWhileServed();
    const used = this.#locks.heldDevice();
    if (used === undefined) return task();
    throw new GraphError(
      "EBUSY",
      `Cannot shut down '${this.#root}': ${this.#holders(used)} has devices of it in use. End it first`,
    );
  }

  #refuseWhileServed(): void {
    if (!this.#locks.isHeld(slots.daemon)) return;
    throw new GraphError(
      "EBUSY",
      `Cannot shut down '${this.#root}': ${this.#holders(slots.daemon)} serves it (mica daemon). ` +
        "Stop that first, with `systemctl stop mica` or SIGTERM, and try again",
    );
  }

  async #acquire(slot: number, kind: LockKind, what: string): Promise<void> {
    if (this.#locks.try(slot, kind)) return;
    const begun = performance.now();
    let pauseMs = 1;
    let noticed = false;
    for (;;) {
      await sleep(pauseMs);
      if (this.#locks.try(slot, kind)) return;
      const waitedMs = performance.now() - begun;
      if (waitedMs >= this.#timeoutMs) {
        throw new GraphError(
          "EAGAIN",
          `Cannot go on with '${this.#root}': ${this.#holders(slot)} has held ${what} for ${Math.round(waitedMs / 1000)} s. ` +
            "Let it finish, or end it, and try again",
        );
      }
      if (!noticed && waitedMs >= noticeAfterMs) {
        noticed = true;
        this.#log("warn", `waiting for ${this.#holders(slot)}, which is at work on ${what} of '${this.#root}'`);
      }
      pauseMs = Math.min(pauseMs * 2, 20);
    }
  }

  #holders(slot: number): string {
    const pids = this.#locks.holders(slot).map((pid) => (pid === process.pid ? `${pid} (this one)` : String(pid)));
    return pids.length === 0 ? "another user of the graph" : `process ${pids.join(", ")}`;
  }
}
