import { setTimeout as sleep } from "node:timers/promises";
import { RangeLocks } from "../linux/range-lock.ts";

const PAUSE_MS = 5;
const RECORDS_BYTE = 0;

/** Who may change what of the store, in this process and among processes. The kernel frees the locks of one that dies. */
export class StoreLocks {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Short changes of records. May be taken inside `chain`, never the other way round. */
  records<T>(task: () => Promise<T> | T): Promise<T> {
    return this.hold(RECORDS_BYTE, undefined, task);
  }

  /** The making of one layer: who comes second waits, and finds it made. */
  chain<T>(chainId: string, signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
    return this.hold(1 + parseInt(chainId.slice(-12), 16), signal, task);
  }

  private async hold<T>(byte: number, signal: AbortSignal | undefined, task: () => Promise<T> | T): Promise<T> {
    // An opening of its own, as the locks of one opening do not exclude each other.
    const locks = new RangeLocks(this.path);
    try {
      while (!locks.try(BigInt(byte), 1n, "exclusive")) {
        signal?.throwIfAborted();
        await sleep(PAUSE_MS);
      }
      return await task();
    } finally {
      locks.close();
    }
  }
}
