import { existsSync } from "node:fs";
import { join } from "node:path";
import { deviceSizeBytes, isBlockDevice } from "../linux/block-device.ts";
import { attachLoop, loopsOf, refreshLoopSize } from "../linux/loop.ts";
import { baseId } from "./device-names.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import { ensureLoopbackFile } from "./loopback-file.ts";

/** One of the two devices under a pool. */
export interface PoolDevice {
  /** What the pool's table names: a block device, or the file itself where the device mapper takes files. */
  path: string;
  /** The loopback file, where no device was given. */
  file: string | undefined;
}

/** The paths of both, without touching them. */
export function poolDevices(context: Pick<GraphContext, "root" | "options" | "mapper">): {
  data: PoolDevice;
  metadata: PoolDevice;
} {
  const place = (name: string, given: string | undefined): PoolDevice => {
    if (given !== undefined) return { path: given, file: undefined };
    const file = join(context.root, "devicemapper", name);
    return { path: context.mapper.kind === "kernel" ? (loopsOf(file)[0] ?? file) : file, file };
  };
  return {
    data: place("data", context.options.dataDevice),
    metadata: place("metadata", context.options.metadataDevice),
  };
}

/**
 * Makes the loopback files where they are needed, or grows them, and attaches them where the device mapper takes only devices.
 *
 * @returns both devices, and the data device's size
 * @throws GraphError when a device is none, or one half of an existing pool is gone
 */
export function preparePoolDevices(context: GraphContext): {
  data: PoolDevice;
  metadata: PoolDevice;
  dataBytes: number;
} {
  const { options, log } = context;
  const devices = poolDevices(context);
  refuseHalfPool(context, devices);
  const prepare = (device: PoolDevice, option: string, sizeBytes: number): number => {
    if (device.file === undefined) {
      if (!isBlockDevice(device.path)) {
        throw new GraphError("EINVAL", `Cannot use '${device.path}' for the pool: it is no block device`);
      }
      return deviceSizeBytes(device.path);
    }
    const bytes = ensureLoopbackFile(device.file, { sizeBytes, grow: options.given.has(option) }, log);
    for (const loop of loopsOf(device.file)) refreshLoopSize(loop);
    if (context.mapper.kind === "kernel" && device.path === device.file) {
      device.path = attachLoop(device.file, { directIo: true });
    }
    return bytes;
  };
  prepare(devices.metadata, "loopmetadatasize", options.loopMetadataSizeBytes);
  const dataBytes = prepare(devices.data, "loopdatasize", options.loopDataSizeBytes);
  return { ...devices, dataBytes };
}

/** An empty file in the place of a lost one would be taken for an empty pool, and every image for lost. */
function refuseHalfPool(context: GraphContext, devices: { data: PoolDevice; metadata: PoolDevice }): void {
  if (context.store.device(baseId)?.initialized !== true) return;
  for (const { file } of [devices.data, devices.metadata]) {
    if (file === undefined || existsSync(file)) continue;
    throw new GraphError(
      "EFOREIGN",
      `Cannot start '${context.root}': '${file}' is gone, but the graph has devices in that pool. Put the file back`,
    );
  }
}
