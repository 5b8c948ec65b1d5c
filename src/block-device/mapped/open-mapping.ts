import { deviceNumber, devicePath, readSysfs } from "../../linux/device-path.ts";
import { errorCode } from "../../linux/system-error.ts";
import type { BackingDevice } from "../../mapping/backing-device.ts";
import { ErrorTarget } from "../../mapping/error-target.ts";
import { LinearTarget } from "../../mapping/linear-target.ts";
import { type MappedSegment, type MappedTable, placesOf, sectorsOf } from "../../mapping/mapped-table.ts";
import { MappedVolume, type MappedRange } from "../../mapping/mapped-volume.ts";
import { MappingError } from "../../mapping/mapping-error.ts";
import { StripedTarget } from "../../mapping/striped-target.ts";
import type { Target } from "../../mapping/target.ts";
import { ZeroTarget } from "../../mapping/zero-target.ts";
import { type SharedDevice, shareDevice } from "./share-device.ts";
import { standsOn } from "./stands-on.ts";

const sectorBytes = 512;
/** A device that stands on nothing discards by pages. */
const leastGranularityBytes = 4096;

/** A table in force: its devices open and claimed. */
export interface Mapping {
  table: MappedTable;
  volume: MappedVolume;
  /** Of all devices below, the largest logical block: what requests should be multiples of. */
  blockBytes: number;
  /** The largest unit in which what is below gives space back. */
  discardBytes: number;
  close(): void;
}

/**
 * Opens what a table stands on and puts its targets together.
 *
 * @param folder of the engine that will serve it: a table that leads back there is refused
 * @throws MappingError EINVAL, as the kernel has it, for a device that is too small or a place that is not aligned; ELOOP for a table that leads back;
 *   EBUSY for a device in use; the system's error for one that cannot be opened
 */
export function openMapping(table: MappedTable, folder: string): Mapping {
  const devices = new Map<string, SharedDevice>();
  const close = () => {
    for (const device of devices.values()) device.close();
  };
  try {
    for (const { device } of placesOf(table)) {
      if (!devices.has(device)) devices.set(device, open(device, table, folder));
    }
    const backing = (device: string) => devices.get(device)!.backing;
    const all = [...devices.values()].map((device) => device.backing);
    const blockBytes = Math.max(sectorBytes, ...all.map((device) => device.blockBytes));
    requireFit(table, backing, blockBytes);
    const ranges = table.segments.map((segment): MappedRange => ({
      startBytes: segment.start * sectorBytes,
      lengthBytes: segment.length * sectorBytes,
      target: targetOf(segment, backing),
    }));
    const volume = new MappedVolume(ranges, table.readOnly ? "read-only" : "read-write");
    const discardBytes = Math.max(leastGranularityBytes, ...all.map(discardBytesOf));
    return { table, volume, blockBytes, discardBytes, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** For a table that cannot be served, as what it stands on went away: every transfer fails, until another table is put in force. */
export function failedMapping(table: MappedTable): Mapping {
  const lengthBytes = sectorsOf(table.segments) * sectorBytes;
  const ranges = [{ startBytes: 0, lengthBytes, target: new ErrorTarget(lengthBytes) }];
  const volume = new MappedVolume(ranges, table.readOnly ? "read-only" : "read-write");
  return { table, volume, blockBytes: sectorBytes, discardBytes: leastGranularityBytes, close: () => undefined };
}

type BackingOf = (device: string) => BackingDevice;

function open(device: string, table: MappedTable, folder: string): SharedDevice {
  const path = devicePath(device);
  if (path === undefined)
    throw new MappingError("ENODEV", `Cannot map ${device}: there is no block device of that number`);
  if (standsOn(path, folder)) {
    throw new MappingError("ELOOP", `Cannot map ${device}: it stands on the very device that is to stand on it`);
  }
  try {
    return shareDevice(path, table.readOnly ? "read-only" : "read-write");
  } catch (error) {
    if (error instanceof MappingError) throw error;
    const code = errorCode(error) ?? "EIO";
    throw new MappingError(code, `Cannot map ${device}: it cannot be opened (${code})`, { cause: error });
  }
}

/** What the kernel asks of each place, and of each segment (drivers/md/dm-table.c, device_area_is_invalid). */
function requireFit(table: MappedTable, backing: BackingOf, blockBytes: number): void {
  for (const { device, offset, length } of placesOf(table)) {
    const { sizeBytes, blockBytes: deviceBlockBytes } = backing(device);
    const refused = (why: string) =>
      new MappingError("EINVAL", `Cannot map ${length} sectors of ${device} from sector ${offset}: ${why}`);
    const has = Math.floor(sizeBytes / sectorBytes);
    if (offset + length > has) throw refused(`it has ${has} sectors`);
    const blockSectors = deviceBlockBytes / sectorBytes;
    if (blockSectors > 1 && (offset % blockSectors !== 0 || length % blockSectors !== 0)) {
      throw refused(`its blocks have ${blockSectors} sectors`);
    }
  }
  const blockSectors = blockBytes / sectorBytes;
  for (const { start, length } of table.segments) {
    if (start % blockSectors === 0 && length % blockSectors === 0) continue;
    const message = `Cannot map ${length} sectors from sector ${start}: the blocks of what is below have ${blockSectors} sectors`;
    throw new MappingError("EINVAL", message);
  }
}

function targetOf(segment: MappedSegment, backing: BackingOf): Target {
  const lengthBytes = segment.length * sectorBytes;
  switch (segment.target) {
    case "linear":
      return new LinearTarget(backing(segment.device), segment.offset * sectorBytes, lengthBytes);
    case "striped": {
      const stripes = segment.stripes.map(({ device, offset }) => ({
        device: backing(device),
        offsetBytes: offset * sectorBytes,
      }));
      return new StripedTarget(stripes, segment.chunkSectors * sectorBytes, lengthBytes);
    }
    case "zero":
      return new ZeroTarget(lengthBytes);
    case "error":
      return new ErrorTarget(lengthBytes);
  }
}

function discardBytesOf({ path, isBlockDevice }: BackingDevice): number {
  if (!isBlockDevice) return 0;
  return Number(readSysfs(`/sys/dev/block/${deviceNumber(path)}/queue/discard_granularity`) ?? 0);
}
