import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RangeLocks } from "../../linux/range-lock.ts";

const POLL_MS = 2;
/** The lock on who has which name and uuid: always the last that is taken. */
const NAMES = 0n;

/** Keeps those apart who change the same device: a byte of one file for each. The kernel frees them with the process. */
export class DeviceLocks {
  readonly #folder: string;

  constructor(runDir: string) {
    this.#folder = join(runDir, ".devices");
  }

  /** Does something while nobody else changes these devices. */
  withDevices<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    return this.#holding([...new Set(names.map(byteOf))].sort(ascending), work);
  }

  /** Does something short while nobody takes a name or uuid. */
  withNames<T>(work: () => Promise<T>): Promise<T> {
    return this.#holding([NAMES], work);
  }

  async #holding<T>(bytes: bigint[], work: () => Promise<T>): Promise<T> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const locks = new RangeLocks(join(this.#folder, ".lock"));
    try {
      for (const byte of bytes) while (!locks.try(byte, 1n, "exclusive")) await sleep(POLL_MS);
      return await work();
    } finally {
      locks.close();
    }
  }
}

function byteOf(name: string): bigint {
  return 1n + createHash("sha256").update(name).digest().readBigUInt64LE() / 4n;
}

function ascending(one: bigint, other: bigint): number {
  return one < other ? -1 : Number(one > other);
}
