import { existsSync } from "node:fs";
import { join } from "node:path";
import { deviceSizeBytes, isBlockDevice } from "../../linux/block-device.ts";
import { blockDevicePath } from "../../linux/device-path.ts";
import { loopsOf, refreshLoopSize } from "../../linux/loop.ts";
import { baseId } from "../devices/device-names.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
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
 * As `poolDevices`, of a running pool: of several loop devices on one file, the one that is the pool's.
 *
 * @param table the pool's table line
 */
export function runningPoolDevices(context: GraphContext, table: string): ReturnType<typeof poolDevices> {
  const devices = poolDevices(context);
  if (context.mapper.kind !== "kernel") return devices;
  const [, , , metadata, data] = table.trim().split(/\s+/);
  const placed = ({ path, file }: PoolDevice, numbers: string): PoolDevice => ({
    path: file === undefined ? path : (blockDevicePath(numbers) ?? path),
    file,
  });
  return { data: placed(devices.data, data), metadata: placed(devices.metadata, metadata) };
}

/**
 * Makes the loopback files where they are needed, or grows them.
 *
 * @returns the data device's size
 * @throws GraphError when a device is none, or one half of an existing pool is gone
 */
export function preparePoolDevices(context: GraphContext): { dataBytes: number } {
  const { options, log } = context;
  const devices = poolDevices(context);
  refuseHalfPool(context, devices);
  const { data, metadata } = devices;
  for (const device of [data, metadata]) requireBlockDevice(device);
  const prepare = ({ path, file }: PoolDevice, option: string, sizeBytes: number): number => {
    if (file === undefined) return deviceSizeBytes(path);
    const bytes = ensureLoopbackFile(file, { sizeBytes, grow: options.given.has(option) }, log);
    for (const loop of loopsOf(file)) refreshLoopSize(loop);
    return bytes;
  };
  prepare(metadata, "loopmetadatasize", options.loopMetadataSizeBytes);
  return { dataBytes: prepare(data, "loopdatasize", options.loopDataSizeBytes) };
}

function requireBlockDevice({ path, file }: PoolDevice): void {
  if (file !== undefined || isBlockDevice(path)) return;
  const why = existsSync(path) ? "it is no block device" : "there is no such device";
  throw new GraphError("EINVAL", `Cannot use '${path}' for the pool: ${why}`);
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
