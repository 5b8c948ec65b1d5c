import { existsSync } from "node:fs";
import { defaultRunDir, poolPaths } from "../block-device/pool-paths.ts";
import { readPoolState } from "../block-device/pool-state.ts";
import type { DeviceMapper } from "../device-mapper/device-mapper.ts";
import { deviceNumber, readSysfs } from "../linux/device-path.ts";
import { GraphError } from "./graph-error.ts";
import type { GraphLog } from "./graph-options.ts";
import type { StorageOptions } from "./options/storage-options.ts";

/** The two device mappers that a pool can run in. */
export type DeviceMapperKind = DeviceMapper["kind"];

const inWords = { kernel: "the kernel's device mapper", userspace: "the user-space device mapper" };

/** For whom a device mapper is chosen. */
export interface MapperWish {
  root: string;
  /** The pool's name; undefined while the graph's folder is not there yet. */
  pool: string | undefined;
  storage: StorageOptions;
  wanted: DeviceMapperKind | undefined;
  log: GraphLog;
}

/**
 * The device mapper for a graph: the one its pool runs in; else the one that is wanted; else the kernel's, where it can be used,
 * and the one in user space where not.
 *
 * @throws GraphError EBUSY when the pool runs in the other one; ENOTSUP when the one wanted cannot be used here
 */
export async function chooseDeviceMapper(wish: MapperWish): Promise<DeviceMapper> {
  const { root, pool, wanted } = wish;
  const running = pool === undefined ? undefined : runsIn(pool);
  if (wanted !== undefined && running !== undefined && wanted !== running) {
    throw new GraphError(
      "EBUSY",
      `Cannot use ${inWords[wanted]} for '${root}': its pool ${pool} runs in ${inWords[running]}. ` +
        `Stop it first (mica shutdown), or leave the choice out`,
    );
  }
  const kind = wanted ?? running;
  if (kind === "kernel") return kernelMapper(wish);
  return (kind === undefined ? await kernelMapperIfUsable(wish) : undefined) ?? userspaceMapper();
}

/** Where a pool of that name runs at this moment. Looks at a few names only. */
function runsIn(pool: string): DeviceMapperKind | undefined {
  if (isMappedDevice(pool)) return "kernel";
  const paths = poolPaths(defaultRunDir(), pool);
  return readPoolState(paths) !== undefined && !existsSync(paths.ended) ? "userspace" : undefined;
}

/** A node in /dev/mapper may be left of a device that is gone. */
function isMappedDevice(name: string): boolean {
  const node = `/dev/mapper/${name}`;
  return existsSync(node) && readSysfs(`/sys/dev/block/${deviceNumber(node)}/dm/name`) === name;
}

async function kernelMapperIfUsable(wish: MapperWish): Promise<DeviceMapper | undefined> {
  const { kernelHasThinPool } = await import("../device-mapper/kernel/kernel-support.ts");
  if (!kernelHasThinPool()) return undefined;
  const mapper = await kernelMapper(wish);
  if (mapper.udevSyncSupported || wish.storage.overrideUdevSyncCheck || wish.storage.thinPoolDevice !== undefined) {
    return mapper;
  }
  wish.log(
    "info",
    "the kernel's device mapper is left alone, as udev is not in sync with it: the pool runs in user space " +
      "(dm.override_udev_sync_check=true takes the kernel's)",
  );
  return undefined;
}

async function kernelMapper({ root, storage, log }: MapperWish): Promise<DeviceMapper> {
  const { missingForKernelMapper } = await import("../device-mapper/kernel/kernel-support.ts");
  const missing = missingForKernelMapper();
  if (missing !== undefined) {
    throw new GraphError(
      "ENOTSUP",
      `Cannot use the kernel's device mapper for '${root}': ${missing}. --device-mapper userspace does without it`,
    );
  }
  const { kernelDeviceMapper } = await import("../device-mapper/kernel/kernel-device-mapper.ts");
  return kernelDeviceMapper({ logLevel: storage.libdmLogLevel, log });
}

async function userspaceMapper(): Promise<DeviceMapper> {
  const { userspaceDeviceMapper } = await import("../device-mapper/userspace/userspace-device-mapper.ts");
  return userspaceDeviceMapper();
}
