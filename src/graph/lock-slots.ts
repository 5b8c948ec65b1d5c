import { RangeLocks, type LockKind } from "../linux/range-lock.ts";

/** Process ids are below this (Linux PID_MAX_LIMIT). */
const slotBytes = 2n ** 22n;

/** What can be locked, each a slot of the lock file. */
export const slots = {
  change: 1,
  operation: 2,
  users: 3,
  poolTable: 4,
  monitor: 5,
  /** A device's three slots; by a hash of 38 bits: two devices that meet in one only wait for each other. */
  device: (id: string, part: "busy" | "used" | "kept"): number =>
    16 + hashOf(id) * 3 + { busy: 0, used: 1, kept: 2 }[part],
};

/**
 * Locks that tell who holds them. A slot's first byte is the lock; its byte number PID is locked along with it, so the
 * holders' ids can be asked of the kernel, and none is left when a holder dies.
 */
export class LockSlots {
  readonly #locks: RangeLocks;

  constructor(path: string) {
    this.#locks = new RangeLocks(path);
  }

  /** Takes a lock, or turns one that is held into the other kind. False when someone else's is in the way. */
  try(slot: number, kind: LockKind): boolean {
    const start = BigInt(slot) * slotBytes;
    if (!this.#locks.try(start, 1n, kind)) return false;
    this.#locks.try(start + BigInt(process.pid), 1n, "shared");
    return true;
  }

  release(slot: number): void {
    this.#locks.release(BigInt(slot) * slotBytes, slotBytes);
  }

  /** Whether someone else holds it. */
  isHeld(slot: number): boolean {
    return this.#locks.firstOther(BigInt(slot) * slotBytes, 1n) !== undefined;
  }

  /** Ids of the other holders' processes. */
  holders(slot: number): number[] {
    const [start, end] = [BigInt(slot) * slotBytes, BigInt(slot + 1) * slotBytes];
    const found: number[] = [];
    let from = start + 1n;
    for (;;) {
      const at = this.#locks.firstOther(from, end - from);
      if (at === undefined) return found;
      found.push(Number(at - start));
      from = at + 1n;
      if (from >= end) return found;
    }
  }

  /** Releases everything. */
  close(): void {
    this.#locks.close();
  }
}

/** FNV-1a, twice with different starts, 38 bits of it. */
function hashOf(id: string): number {
  return fnv1a(id, 0x811c9dc5) * 64 + (fnv1a(id, 0x9747b28c) & 63);
}

function fnv1a(text: string, start: number): number {
  let hash = start;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
