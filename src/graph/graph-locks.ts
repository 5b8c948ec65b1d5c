import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RangeLocks, type LockKind } from "../linux/range-lock.ts";
import { GraphError } from "./graph-error.ts";
import type { GraphLog } from "./graph-options.ts";
import { KeyedQueue } from "./keyed-queue.ts";

// Bytes of the lock file. A device's three are found by a 50-bit hash of its id: two devices that meet in one only wait for each other.
const deviceBytes = { busy: 0, used: 2 ** 51, kept: 2 ** 52 } as const;
const changeByte = 2 ** 53 - 16;
const operationByte = changeByte + 1;
const usersByte = changeByte + 2;

const noticeAfterMs = 1000;

/**
 * Who may do what to a graph at the same time, in this process and among processes. From the outside in: an operation
 * (shared; shutdown is alone) → a device (its mounting, unmounting, formatting: may take long) → the graph (a change of pool, names or
 * files: short). Always taken in that order. All are locks of the kernel, so a process that dies leaves none.
 */
export class GraphLocks {
  readonly #locks: RangeLocks;
  readonly #queue = new KeyedQueue();
  readonly #log: GraphLog;
  readonly #timeoutMs: number;
  readonly #root: string;
  #operations = 0;
  #stopping = false;
  #usedDevices = 0;

  constructor(root: string, timeoutMs: number, log: GraphLog) {
    this.#root = root;
    this.#locks = new RangeLocks(join(root, "lock"));
    this.#timeoutMs = timeoutMs;
    this.#log = log;
  }

  /** A change of the pool, the devices' names or the JSON files. */
  async change<T>(task: () => Promise<T>): Promise<T> {
    return this.#exclusively(changeByte, "the graph", task);
  }

  /** `change` if nobody else is at it, else undefined at once. */
  async changeIfFree<T>(task: () => Promise<T>): Promise<T | undefined> {
    return this.#queue.run(changeByte, async () => {
      if (!this.#locks.try(changeByte, "exclusive")) return undefined;
      return this.#holding(changeByte, task);
    });
  }

  /** Work on one device. */
  async device<T>(id: string, task: () => Promise<T>): Promise<T> {
    return this.#exclusively(deviceBytes.busy + hashOf(id), `device ${id}`, task);
  }

  /** Any operation but shutdown. Not to be nested. */
  async operation<T>(task: () => Promise<T>): Promise<T> {
    if (this.#operations > 0 && !this.#stopping) {
      this.#operations++;
    } else {
      await this.#queue.run(operationByte, async () => {
        if (this.#operations === 0) await this.#acquire(operationByte, "shared", "the graph");
        this.#operations++;
      });
    }
    try {
      return await task();
    } finally {
      if (--this.#operations === 0) this.#locks.release(operationByte);
    }
  }

  /** Shutdown: no operation runs anywhere, and none begins. Refused while another process has devices in use. */
  async alone<T>(task: () => Promise<T>): Promise<T> {
    this.#stopping = true;
    try {
      return await this.#queue.run(operationByte, async () => {
        while (this.#operations > 0) await sleep(2);
        await this.#acquire(operationByte, "exclusive", "the graph");
        return this.#holding(operationByte, () => this.#withoutUsers(task));
      });
    } finally {
      this.#stopping = false;
    }
  }

  /** This process begins to use a device: until `endUse`, no other process unmounts it. */
  beginUse(id: string): void {
    if (this.#usedDevices++ === 0) this.#locks.try(usersByte, "shared");
    this.#locks.try(deviceBytes.used + hashOf(id), "shared");
  }

  endUse(id: string): void {
    this.#locks.release(deviceBytes.used + hashOf(id));
    this.#locks.release(deviceBytes.kept + hashOf(id));
    if (--this.#usedDevices === 0) this.#locks.release(usersByte);
  }

  /** The living processes, other than this one, that use a device; in words, or undefined. Not for a device this process uses. */
  otherUsers(id: string): string | undefined {
    const byte = deviceBytes.used + hashOf(id);
    if (!this.#locks.try(byte, "exclusive")) return this.#holders(byte);
    this.#locks.release(byte);
    return undefined;
  }

  /** Remembers, for as long as this process uses the device, that it was mounted for someone who is gone. */
  markKept(id: string): void {
    this.#locks.try(deviceBytes.kept + hashOf(id), "shared");
  }

  /** Whether a process that uses the device marked it so. */
  isKept(id: string): boolean {
    const byte = deviceBytes.kept + hashOf(id);
    if (!this.#locks.try(byte, "exclusive")) return true;
    this.#locks.release(byte);
    return false;
  }

  close(): void {
    this.#locks.close();
  }

  async #exclusively<T>(byte: number, what: string, task: () => Promise<T>): Promise<T> {
    return this.#queue.run(byte, async () => {
      await this.#acquire(byte, "exclusive", what);
      return this.#holding(byte, task);
    });
  }

  async #holding<T>(byte: number, task: () => Promise<T>): Promise<T> {
    try {
      return await task();
    } finally {
      this.#locks.release(byte);
    }
  }

  async #withoutUsers<T>(task: () => Promise<T>): Promise<T> {
    if (!this.#locks.try(usersByte, "exclusive")) {
      throw new GraphError(
        "EBUSY",
        `Cannot shut down '${this.#root}': ${this.#holders(usersByte)} has devices of it in use. End it first`,
      );
    }
    try {
      return await task();
    } finally {
      if (this.#usedDevices > 0) this.#locks.try(usersByte, "shared");
      else this.#locks.release(usersByte);
    }
  }

  async #acquire(byte: number, kind: LockKind, what: string): Promise<void> {
    if (this.#locks.try(byte, kind)) return;
    const begun = performance.now();
    let pauseMs = 1;
    let noticed = false;
    for (;;) {
      await sleep(pauseMs);
      if (this.#locks.try(byte, kind)) return;
      const waitedMs = performance.now() - begun;
      if (waitedMs >= this.#timeoutMs) {
        throw new GraphError(
          "EAGAIN",
          `Cannot go on with '${this.#root}': ${this.#holders(byte)} has held ${what} for ${Math.round(waitedMs / 1000)} s. ` +
            "Let it finish, or end it, and try again",
        );
      }
      if (!noticed && waitedMs >= noticeAfterMs) {
        noticed = true;
        this.#log("warn", `waiting for ${this.#holders(byte)}, which is at work on ${what} of '${this.#root}'`);
      }
      pauseMs = Math.min(pauseMs * 2, 20);
    }
  }

  #holders(byte: number): string {
    const pids = this.#locks.holders(byte);
    return pids.length === 0 ? "another user of the graph" : `process ${pids.join(", ")}`;
  }
}

/** FNV-1a, twice with different starts, 50 bits of it. */
function hashOf(id: string): number {
  return fnv1a(id, 0x811c9dc5) * 2 ** 18 + (fnv1a(id, 0x9747b28c) & 0x3ffff);
}

function fnv1a(text: string, start: number): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
