import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { fill } from "../fio.ts";
import { createSparseFile } from "../sparse-file.ts";
import { DEVICE_BYTES, type Stack, type StackDevice } from "../stack.ts";

const run = promisify(execFile);

/** How a peer makes images and serves them by NBD. */
interface Peer {
  name: string;
  /** Makes an image, empty or over another. */
  makeImage(path: string, backing: string | undefined): Promise<void>;
  /** The command that serves an image on a socket. */
  command(image: string, socket: string, backing: string | undefined): string[];
}

/** qemu-nbd with a qcow2 image over another. */
export const qemuNbd: Peer = {
  name: "qemu-nbd, qcow2",
  async makeImage(path, backing) {
    const onBacking = backing === undefined ? [] : ["-b", backing, "-F", "qcow2"];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", ...onBacking, path, String(DEVICE_BYTES)]);
  },
  command: (image, socket) => [
    "qemu-nbd",
    "-t",
    "-k",
    socket,
    "-e",
    "8",
    "-f",
    "qcow2",
    "--discard=unmap",
    "--aio=threads",
    image,
  ],
};

/** nbdkit with its copy-on-write filter over a sparse file, where there is something to share; else the file alone. */
export const nbdkitCow: Peer = {
  name: "nbdkit, cow",
  makeImage(path, backing) {
    if (backing === undefined) createSparseFile(path, DEVICE_BYTES);
    return Promise.resolve();
  },
  command: (image, socket, backing) => [
    "nbdkit",
    "-f",
    "-U",
    socket,
    ...(backing === undefined ? [] : ["--filter=cow"]),
    "file",
    backing ?? image,
  ],
};

/** Another NBD server with its own way of copy-on-write. */
export class NbdPeer implements Stack {
  readonly name: string;
  readonly #peer: Peer;
  readonly #dir: string;
  #made = 0;

  constructor(peer: Peer, dir: string) {
    this.name = peer.name;
    this.#peer = peer;
    this.#dir = join(dir, peer.name.replaceAll(/\W+/g, "-"));
    mkdirSync(this.#dir);
  }

  async empty(): Promise<StackDevice> {
    return this.#serve(await this.#image(undefined), undefined, "removed");
  }

  async filled(span: string): Promise<StackDevice> {
    const device = await this.empty();
    await fill(device.path, span);
    return device;
  }

  async snapshot(span: string): Promise<StackDevice> {
    const backing = await this.#image(undefined);
    const parent = await this.#serve(backing, undefined, "kept");
    await fill(parent.path, span);
    await parent.close();
    return this.#serve(await this.#image(backing), backing, "removed");
  }

  async close(): Promise<void> {
    // Each device ends its own server.
  }

  async #image(backing: string | undefined): Promise<string> {
    const path = join(this.#dir, `image-${(this.#made += 1)}`);
    await this.#peer.makeImage(path, backing);
    return path;
  }

  async #serve(image: string, backing: string | undefined, afterwards: "kept" | "removed"): Promise<StackDevice> {
    const socket = `${image}.sock`;
    const [program, ...args] = this.#peer.command(image, socket, backing);
    const server = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });
    for (let tries = 0; !existsSync(socket); tries += 1) {
      if (tries === 100 || server.exitCode !== null) throw new Error(`${this.name} did not serve its image`);
      await sleep(50);
    }
    const close = async (): Promise<void> => {
      const ended = once(server, "exit");
      server.kill("SIGTERM");
      await ended;
      rmSync(socket, { force: true });
      if (afterwards === "kept") return;
      for (const file of [image, backing]) if (file !== undefined) rmSync(file, { force: true });
    };
    return { path: `nbd+unix:///?socket=${socket}`, close };
  }
}
