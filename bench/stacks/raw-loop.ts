import { rmSync } from "node:fs";
import { join } from "node:path";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";
import { fill } from "../fio.ts";
import { createSparseFile } from "../sparse-file.ts";
import { DEVICE_BYTES, type Stack, type StackDevice } from "../stack.ts";

/**
 * Loop on a sparse file: with direct I/O, which goes to the disk and is the floor under every stack that serves block
 * devices through loop; or through the page cache, as the other stacks reach their files.
 * It has no snapshots: a "snapshot" is the filled file itself.
 */
export class RawLoop implements Stack {
  readonly name: string;
  readonly #dir: string;
  readonly #directIo: boolean;
  #made = 0;

  constructor(dir: string, io: "direct" | "cached") {
    this.name = `raw loop, ${io}`;
    this.#dir = dir;
    this.#directIo = io === "direct";
  }

  empty(): Promise<StackDevice> {
    const file = join(this.#dir, `${this.#directIo ? "direct" : "cached"}-${(this.#made += 1)}`);
    createSparseFile(file, DEVICE_BYTES);
    const path = attachLoop(file, { directIo: this.#directIo });
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
