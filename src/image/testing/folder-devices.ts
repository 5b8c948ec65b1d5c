import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DeviceRecord } from "../../graph/devices/device-record.ts";
import type { ImageDevices } from "../image-devices.ts";

/**
 * Stands in for a DeviceSet with plain folders, where a test is about images and not about devices: a snapshot is a copy, and
 * mounting counts. `root` is the graph's folder.
 */
export class FolderDevices implements ImageDevices {
  readonly root: string;
  /** Devices that are mounted, and how often. */
  readonly mounts = new Map<string, number>();
  /** Called before each operation; a test makes it throw to see what a failure there leaves. */
  beforeEach: (operation: "create" | "remove" | "get" | "put", id: string) => void = () => undefined;

  constructor(root: string) {
    this.root = root;
    mkdirSync(join(root, "devices"), { recursive: true });
  }

  async create(id: string, parent?: string): Promise<void> {
    await Promise.resolve();
    this.beforeEach("create", id);
    if (existsSync(this.path(id))) throw new Error(`Cannot make device ${id}: it exists already`);
    mkdirSync(this.path(id));
    if (parent === undefined) mkdirSync(join(this.path(id), "rootfs"));
    else execFileSync("cp", ["-a", join(this.path(parent), "rootfs"), this.path(id)]);
  }

  seal(): Promise<void> {
    return Promise.resolve();
  }

  async remove(id: string): Promise<void> {
    await Promise.resolve();
    this.beforeEach("remove", id);
    rmSync(this.path(id), { recursive: true, force: true });
  }

  exists(id: string): Promise<boolean> {
    return Promise.resolve(existsSync(this.path(id)));
  }

  async get(id: string): Promise<string> {
    await Promise.resolve();
    this.beforeEach("get", id);
    if (!existsSync(this.path(id))) throw new Error(`Cannot find device ${id}`);
    this.mounts.set(id, (this.mounts.get(id) ?? 0) + 1);
    return join(this.path(id), "rootfs");
  }

  async put(id: string): Promise<void> {
    await Promise.resolve();
    this.beforeEach("put", id);
    const count = (this.mounts.get(id) ?? 0) - 1;
    if (count > 0) this.mounts.set(id, count);
    else this.mounts.delete(id);
  }

  unmountLeft(id: string): Promise<void> {
    return this.put(id);
  }

  device(id: string): Promise<DeviceRecord | undefined> {
    return Promise.resolve(existsSync(this.path(id)) ? this.record(id) : undefined);
  }

  devices(): Promise<DeviceRecord[]> {
    return Promise.resolve(this.ids().map((id) => this.record(id)));
  }

  usage(): ReturnType<ImageDevices["usage"]> {
    return Promise.resolve(
      this.ids().map((id, index) => ({ id, deviceId: index, mappedBytes: 131072, exclusiveBytes: 65536 })),
    );
  }

  ids(): string[] {
    return readdirSync(join(this.root, "devices"));
  }

  private path(id: string): string {
    return join(this.root, "devices", id);
  }

  private record(id: string): DeviceRecord {
    return {
      id,
      deviceId: 1,
      sizeBytes: 1 << 30,
      transactionId: 1,
      initialized: true,
      deleted: false,
      mountPoint: this.mounts.has(id) ? this.path(id) : undefined,
      blockDevice: undefined,
      exportSocket: undefined,
    };
  }
}
