import { closeSync, openSync } from "node:fs";
import { callAsync } from "../linux/libc.ts";

/** Each step also commits the file system's journal and flushes the device, for which all writers wait: few and large. */
const STEP_BYTES = 128 << 20;

/**
 * Has a file system written out while it is being filled. The kernel would begin only after seconds, and a layer that was
 * unpacked by then would have to wait for all of it at the end.
 */
export class EarlyWriteback {
  private readonly fd: number;
  private readonly root: string;
  private nextAtBytes = STEP_BYTES;
  private running: Promise<void> | undefined;

  /** @param root a folder of the file system */
  constructor(root: string) {
    this.root = root;
    this.fd = openSync(root, "r");
  }

  /** Tells how many bytes have come in all so far. */
  progressed(bytes: number): void {
    if (bytes < this.nextAtBytes || this.running !== undefined) return;
    this.nextAtBytes = bytes + STEP_BYTES;
    this.running = callAsync({ syscall: "write to disk", path: this.root }, "int syncfs(int)", this.fd).then(
      () => void (this.running = undefined),
      // Who unpacks finds the same error at the end, and tells of it.
      () => void (this.running = undefined),
    );
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.running;
    closeSync(this.fd);
  }
}
