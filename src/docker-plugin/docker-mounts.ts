import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceSet } from "../graph/device-set.ts";
import type { MountWish } from "../graph/devices/mounted-devices.ts";
import { KeyedQueue } from "../graph/locks/keyed-queue.ts";

/**
 * The mounts that Docker has asked for, counted as its own drivers count: Get adds one, Put takes one away, the last one unmounts,
 * and a device that was mounted for Docker before this process, or before this dockerd, counts as one.
 *
 * An empty file in `$root/docker-plugin/mounted` says of a mount that it is Docker's, as other services and commands mount devices of
 * the same graph. It tells nothing where the device is not mounted.
 */
export class DockerMounts {
  readonly #devices: DeviceSet;
  readonly #folder: string;
  /** How often this process holds a device for Docker. */
  readonly #held = new Map<string, number>();
  /** Mounted for Docker by a process that is gone. */
  readonly #inherited: Set<string>;
  readonly #queue = new KeyedQueue<string>();

  private constructor(devices: DeviceSet, folder: string, inherited: Set<string>) {
    this.#devices = devices;
    this.#folder = folder;
    this.#inherited = inherited;
  }

  /** Finds what is mounted for Docker already. @param folder the plugin's own, in the graph's */
  static async open(devices: DeviceSet, folder: string): Promise<DockerMounts> {
    const marks = join(folder, "mounted");
    mkdirSync(marks, { recursive: true, mode: 0o700 });
    const mounted = new Set((await devices.devices()).filter((device) => device.mountPoint).map(({ id }) => id));
    const inherited = new Set<string>();
    for (const id of readdirSync(marks)) {
      if (mounted.has(id)) inherited.add(id);
      else rmSync(join(marks, id));
    }
    return new DockerMounts(devices, marks, inherited);
  }

  /** Whether anything is mounted for Docker. */
  get any(): boolean {
    return this.#held.size > 0 || this.#inherited.size > 0;
  }

  /** Whether a device is mounted for Docker. */
  has(id: string): boolean {
    return this.#held.has(id) || this.#inherited.has(id);
  }

  /** @returns the path of the root file system */
  get(id: string, wish: MountWish): Promise<string> {
    return this.#queue.run(id, async () => {
      const held = this.#held.get(id) ?? 0;
      // Before the mount: a mark without a mount is nothing, a mount without a mark would be nobody's.
      if (held === 0) writeFileSync(join(this.#folder, id), "", { mode: 0o600 });
      const path = await this.#devices.get(id, wish);
      this.#held.set(id, held + 1);
      return path;
    });
  }

  /** Nothing to do where Docker has nothing mounted. */
  put(id: string): Promise<void> {
    return this.#queue.run(id, () => this.#put(id));
  }

  /** Another dockerd has begun: of what the one before it held, each mount counts as one. */
  async beginAnew(): Promise<void> {
    for (const id of [...this.#held.keys()]) {
      await this.#queue.run(id, async () => {
        const most = this.#inherited.has(id) ? 0 : 1;
        while ((this.#held.get(id) ?? 0) > most) await this.#put(id);
      });
    }
  }

  /** Docker has ended: nothing is its any more. @returns what could not be unmounted, and why */
  async endAll(): Promise<Map<string, unknown>> {
    const failures = new Map<string, unknown>();
    for (const id of new Set([...this.#held.keys(), ...this.#inherited])) {
      await this.#queue.run(id, async () => {
        try {
          while (this.#held.has(id) || this.#inherited.has(id)) await this.#put(id);
        } catch (error) {
          failures.set(id, error);
        }
      });
    }
    return failures;
  }

  async #put(id: string): Promise<void> {
    const held = this.#held.get(id) ?? 0;
    if (held === 0 && !this.#inherited.has(id)) return;
    await this.#devices.put(id);
    if (held > 1) this.#held.set(id, held - 1);
    else if (held === 1) this.#held.delete(id);
    else this.#inherited.delete(id);
    if (held <= 1 && !this.#inherited.has(id)) rmSync(join(this.#folder, id), { force: true });
  }
}
