import { lockHolders } from "../../linux/lock-holders.ts";
import { RangeLocks, type LockKind } from "../../linux/range-lock.ts";

/** Process ids are below this (Linux PID_MAX_LIMIT). */
const slotBytes = 2n ** 22n;

const firstDeviceSlot = 16;
const deviceSlots = 3 * 2 ** 38;

/** What can be locked, each a slot of the lock file. */
export const slots = {
  change: 1,
  operation: 2,
  // 3 was in use once.
  poolTable: 4,
  monitor: 5,
  /** Of the process that serves the graph for others: `mica daemon`. */
  daemon: 6,
  /** A device's three slots; by a hash of 38 bits: two devices that meet in one only wait for each other. */
  device: (id: string, part: "busy" | "used" | "kept"): number =>
    firstDeviceSlot + hashOf(id) * 3 + { busy: 0, used: 1, kept: 2 }[part],
};

/**
 * Locks that tell who holds them, and of which none is left when a holder dies. A slot's first byte is the lock. What is held for
 * long has its byte number PID locked along with it: then the holders' ids are a question to the kernel. What is held for the
 * time of an operation costs one call, and whoever is kept waiting by it looks its holder up in /proc.
 */
export class LockSlots {
  readonly #locks: RangeLocks;

  constructor(path: string) {
    this.#locks = new RangeLocks(path);
  }

  /** Takes a lock, or turns one that is held into the other kind. False when someone else's is in the way. */
  try(slot: number, kind: LockKind): boolean {
    return this.#locks.try(BigInt(slot) * slotBytes, 1n, kind);
  }

  /** `try`, for long. */
  tryForLong(slot: number, kind: LockKind): boolean {
    if (!this.try(slot, kind)) return false;
    this.#locks.try(BigInt(slot) * slotBytes + BigInt(process.pid), 1n, "shared");
    return true;
  }

  release(slot: number): void {
    this.#locks.release(BigInt(slot) * slotBytes, slotBytes);
  }

  /** Whether someone else holds it. */
  isHeld(slot: number): boolean {
    return this.#locks.firstOther(BigInt(slot) * slotBytes, 1n) !== undefined;
  }

  /** A slot of any device that someone else holds, or undefined. */
  heldDevice(): number | undefined {
    const at = this.#locks.firstOther(BigInt(firstDeviceSlot) * slotBytes, BigInt(deviceSlots) * slotBytes);
    return at === undefined ? undefined : Number(at / slotBytes);
  }

  /** Ids of the other holders' processes; also this one's where another opening of it holds the lock. */
  holders(slot: number): number[] {
    const forLong = this.#holdersForLong(slot);
    return forLong.length > 0 ? forLong : lockHolders(this.#locks.path, BigInt(slot) * slotBytes);
  }

  /** Releases everything. */
  close(): void {
    this.#locks.close();
  }

  #holdersForLong(slot: number): number[] {
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
