import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";
import { fill } from "../fio.ts";
import { createSparseFile } from "../sparse-file.ts";
import { DEVICE_BYTES, type Stack, type StackDevice } from "../stack.ts";

/** nbdkit serving a sparse file over NBD, nbdfuse making a file of it, and loop with direct I/O over that. */
export class Nbdkit implements Stack {
  readonly name = "nbdkit";
  readonly #dir: string;
  #made = 0;

  constructor(dir: string) {
    this.#dir = join(dir, "nbdkit");
    mkdirSync(this.#dir);
  }

  empty(): Promise<StackDevice> {
    return this.#serve(this.#image(), []);
  }

  async filled(span: string): Promise<StackDevice> {
    const device = await this.empty();
    await fill(device.path, span);
    return device;
  }

  /** nbdkit's copy-on-write filter over a filled file. */
  async snapshot(span: string): Promise<StackDevice> {
    const image = this.#image();
    const loop = attachLoop(image, { directIo: true });
    await fill(loop, span);
    detachLoop(loop);
    return this.#serve(image, ["--filter=cow"]);
  }

  async close(): Promise<void> {
    // Each device ends its own server.
  }

  #image(): string {
    return createSparseFile(join(this.#dir, `image-${(this.#made += 1)}`), DEVICE_BYTES);
  }

  async #serve(image: string, filters: readonly string[]): Promise<StackDevice> {
    const mountPoint = `${image}.mount`;
    mkdirSync(mountPoint);
    const exported = join(mountPoint, "nbd");
    const server = ["nbdkit", "-s", "--exit-with-parent", ...filters, "file", image];
    const nbdfuse = spawn("nbdfuse", [exported, "--command", ...server], { stdio: "ignore" });
    for (let tries = 0; !(existsSync(exported) && statSync(exported).size === DEVICE_BYTES); tries += 1) {
      if (tries === 100 || nbdfuse.exitCode !== null) throw new Error("nbdfuse did not export its image");
      await sleep(50);
    }
    const path = attachLoop(exported, { directIo: true });
    const close = async (): Promise<void> => {
      detachLoop(path);
      await sleep(100);
      const ended = once(nbdfuse, "exit");
      nbdfuse.kill("SIGTERM");
      await ended;
      rmSync(image);
      rmdirSync(mountPoint);
    };
    return { path, close };
  }
}
