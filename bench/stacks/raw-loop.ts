import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";
import { fill } from "../fio.ts";
import { DEVICE_BYTES, type Stack, type StackDevice } from "../stack.ts";

/**
 * The floor under every stack that serves block devices through loop: loop with direct I/O on a sparse file.
 * It has no snapshots: a "snapshot" is the filled file itself.
 */
export class RawLoop implements Stack {
  readonly name = "raw loop";
  readonly #dir: string;
  #made = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  empty(): Promise<StackDevice> {
    const file = join(this.#dir, `raw-${(this.#made += 1)}`);
    const fd = openSync(file, "wx");
    ftruncateSync(fd, DEVICE_BYTES);
    closeSync(fd);
    const path = attachLoop(file, { directIo: true });
    const close = (): Promise<void> => {
      detachLoop(path);
      rmSync(file);
      return Promise.resolve();
    };
    return Promise.resolve({ path, close });
  }

  async filled(span: string): Promise<StackDevice> {
    const device = await this.empty();
    await fill(device.path, span);
    return device;
  }

  snapshot(span: string): Promise<StackDevice> {
    return this.filled(span);
  }

  async close(): Promise<void> {
    // Each device holds all there is.
  }
}
