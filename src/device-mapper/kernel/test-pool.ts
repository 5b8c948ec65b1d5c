// For tests: pools of the kernel on loop devices over sparse files.
import { attachLoop, allLoops, detachLoop, refreshLoopSize } from "../../linux/loop.ts";
import { mountTable } from "../../linux/mount-table.ts";
import { DeviceMapperSetup } from "../compliance/device-mapper-setup.ts";
import type { DeviceInfo, DeviceMapper } from "../device-mapper.ts";
import { type KernelOptions, kernelDeviceMapper } from "./kernel-device-mapper.ts";
import { missingForKernelMapper } from "./kernel-support.ts";

/** Why tests of the kernel's device mapper cannot run here, or false. */
export const cannotRun: string | false = missingForKernelMapper() ?? false;

/** Loop devices, and whatever the kernel's device mapper has on them. */
export class KernelTestPool extends DeviceMapperSetup {
  readonly mapper: DeviceMapper;
  readonly #loops = new Map<string, string>();

  constructor(options: KernelOptions = {}) {
    super();
    this.mapper = kernelDeviceMapper(options);
  }

  another(): DeviceMapper {
    return kernelDeviceMapper();
  }

  device(name: string, mebibytes: number): string {
    const path = this.file(name, mebibytes);
    const known = this.#loops.get(path);
    if (known !== undefined) {
      refreshLoopSize(known);
      return known;
    }
    const device = attachLoop(path);
    this.#loops.set(path, device);
    return device;
  }

  /** Detaches the loop devices on request only: they are this test's own, and no mapper's. */
  remains(): string[] {
    const mounts = mountTable().filter(({ mountPoint }) => mountPoint.startsWith(this.folder));
    const loops = allLoops().filter(({ backingFile }) => backingFile.startsWith(this.folder));
    const foreign = loops.filter(({ device }) => ![...this.#loops.values()].includes(device));
    return [
      ...mounts.map(({ mountPoint }) => `mounted: ${mountPoint}`),
      ...foreign.map(({ device, backingFile }) => `attached: ${device} ${backingFile}`),
    ];
  }

  async destroy(): Promise<void> {
    await this.removeFolder();
    for (const target of ["thin", "thin-pool"] as const) {
      for (const info of await this.#ours()) {
        if (info.target !== target) continue;
        if (info.suspended) await this.mapper.resume(info.name).catch(() => undefined);
        await this.mapper.remove(info.name, { deferred: true }).catch(() => undefined);
      }
    }
    for (const device of this.#loops.values()) detachLoop(device, { deferred: true });
    this.#loops.clear();
  }

  /** Pools on our loop devices, and what is on them. */
  async #ours(): Promise<DeviceInfo[]> {
    const ours: DeviceInfo[] = [];
    const loops = new Set(this.#loops.values());
    const devices = await this.mapper.list();
    const standsOn = async (name: string, on: Set<string>) =>
      (await this.mapper.deps(name)).some((path) => on.has(path));
    for (const info of devices) if (info.target === "thin-pool" && (await standsOn(info.name, loops))) ours.push(info);
    const pools = new Set(ours.map(({ blockDevice }) => blockDevice ?? ""));
    for (const info of devices) if (info.target === "thin" && (await standsOn(info.name, pools))) ours.push(info);
    return ours;
  }
}
