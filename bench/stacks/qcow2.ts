import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";
import { fill } from "../fio.ts";
import { DEVICE_BYTES, type Stack, type StackDevice } from "../stack.ts";

const run = promisify(execFile);

/** qemu-storage-daemon serving a qcow2 image with a backing file as a FUSE file, and loop with direct I/O over it. */
export class Qcow2 implements Stack {
  readonly name = "qcow2 export";
  readonly #dir: string;
  #made = 0;

  constructor(dir: string) {
    this.#dir = join(dir, "qcow2");
    mkdirSync(this.#dir);
  }

  async empty(): Promise<StackDevice> {
    const backing = await this.#image();
    return this.#serve(await this.#image(backing), [backing]);
  }

  async filled(span: string): Promise<StackDevice> {
    const device = await this.empty();
    await fill(device.path, span);
    return device;
  }

  async snapshot(span: string): Promise<StackDevice> {
    const backing = await this.#image();
    const parent = await this.#serve(backing, []);
    await fill(parent.path, span);
    await parent.close({ keepImage: true });
    return this.#serve(await this.#image(backing), [backing]);
  }

  async close(): Promise<void> {
    // Each device ends its own daemon.
  }

  async #image(backing?: string): Promise<string> {
    const path = join(this.#dir, `image-${(this.#made += 1)}.qcow2`);
    const onBacking = backing === undefined ? [] : ["-b", backing, "-F", "qcow2"];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", ...onBacking, path, String(DEVICE_BYTES)]);
    return path;
  }

  async #serve(image: string, backings: string[]): Promise<{ path: string; close: Close }> {
    const exported = `${image}.export`;
    writeFileSync(exported, "");
    const daemon = spawn(
      "qemu-storage-daemon",
      [
        ["--blockdev", `driver=file,node-name=file,filename=${image},discard=unmap,aio=threads`],
        ["--blockdev", "driver=qcow2,node-name=image,file=file,discard=unmap"],
        ["--export", `type=fuse,id=export,node-name=image,mountpoint=${exported},writable=on`],
      ].flat(),
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    await exportReady(daemon, exported);
    const path = attachLoop(exported, { directIo: true });
    const close: Close = async (options) => {
      detachLoop(path);
      await sleep(100);
      const ended = once(daemon, "exit");
      daemon.kill("SIGTERM");
      await ended;
      for (const file of options?.keepImage === true ? [exported] : [exported, image, ...backings]) rmSync(file);
    };
    return { path, close };
  }
}

type Close = (options?: { keepImage: boolean }) => Promise<void>;

/** Waits until the export's size shows at its mount point, at most five seconds. */
async function exportReady(daemon: ChildProcess, exported: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (daemon.exitCode !== null) throw new Error(`qemu-storage-daemon ended with status ${daemon.exitCode}`);
    if (statSync(exported).size === DEVICE_BYTES) return;
    await sleep(50);
  }
  throw new Error("qemu-storage-daemon did not export its image within five seconds");
}
