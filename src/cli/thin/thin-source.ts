import { statSync } from "node:fs";
import type { MappedDevices, TableSegment } from "../../device-mapper/mapped-devices.ts";
import { devicePath } from "../../linux/device-path.ts";
import { majorMinor } from "../../linux/special-files.ts";
import { parsePoolTable } from "../../thin/pool-table.ts";

/** An active thin device, and where its pool has what it maps. */
export interface ThinSource {
  readonly path: string;
  readonly deviceId: number;
  /** Of 512 bytes. */
  readonly sectors: number;
  readonly blockSectors: number;
  readonly metadataPath: string;
}

/** What of the device mapper it takes. */
export type TableSource = Pick<MappedDevices, "list" | "table">;

/** Finds the pool of a thin device by the tables of both. @throws Error when the path is no such device, or the device has an external origin */
export async function findThinSource(devices: TableSource, path: string): Promise<ThinSource> {
  const table = await tableOf(devices, path);
  const segment = table.at(0);
  if (segment?.target !== "thin" || table.length > 1) throw new Error(`Cannot copy ${path}: it is no thin device`);
  const [poolDevice, deviceId, ...origin] = segment.parameters.split(" ");
  if (origin.length > 0) {
    throw new Error(`Cannot copy ${path}: what it does not map is read from ${origin.join(" ")}, which is in no pool`);
  }
  const poolPath = devicePath(poolDevice) ?? poolDevice;
  const [pool] = await tableOf(devices, poolPath);
  const { metadataDevice, blockSizeSectors } = parsePoolTable(
    `${pool.start} ${pool.length} ${pool.target} ${pool.parameters}`,
  );
  return {
    path,
    deviceId: Number(deviceId),
    sectors: segment.length,
    blockSectors: blockSizeSectors,
    metadataPath: devicePath(metadataDevice) ?? metadataDevice,
  };
}

async function tableOf(devices: TableSource, path: string): Promise<TableSegment[]> {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stat === undefined) throw new Error(`Cannot copy ${path}: there is no such device`);
  if (!stat.isBlockDevice()) throw new Error(`Cannot copy ${path}: it is no block device`);
  const { major, minor } = majorMinor(stat.rdev);
  const found = (await devices.list()).find((device) => device.major === major && device.minor === minor);
  if (found === undefined) throw new Error(`Cannot copy ${path}: it is no device of the device mapper`);
  return devices.table(found.name);
}
