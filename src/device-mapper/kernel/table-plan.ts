import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { deviceSizeBytes } from "../../linux/block-device.ts";
import { holderNames } from "../../linux/device-holders.ts";
import { deviceNumber } from "../../linux/device-path.ts";
import { errorCode } from "../../linux/system-error.ts";
import { openDirectBlockFile } from "../../persistent-data/direct-block-file.ts";
import { Block } from "../../persistent-data/block.ts";
import { formatPoolTable, parsePoolTable, type ThinPoolTable } from "../../thin/pool-table.ts";
import { superblockFault, superblockLocation } from "../../thin/superblock.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import { parseThinTable } from "../thin-table.ts";

const SECTOR_BYTES = 512;

/** Devices of ours have UUIDs that begin so: what a crash left half made is known by it. */
export const ourUuid = "MICA-";

/** A table as the kernel is to be given it. */
export interface TablePlan {
  sectors: number;
  type: "thin-pool" | "thin";
  parameters: string;
  uuid: string;
  /** The pool of a thin device, where the table names it. */
  pool: string | undefined;
  /**
   * Refuses devices that other mapped devices stand on: the kernel would let two pools write to the same data device.
   *
   * @throws DeviceMapperError EBUSY
   */
  requireFreeDevices(): void;
  /** What may be wrong with the pool's devices, for a table that the kernel refused. */
  suspicion(): string | undefined;
}

/**
 * @param poolNumber finds a pool's device number, "254:0"
 * @throws DeviceMapperError EINVAL, or what is wrong with a device that a pool is to stand on
 */
export async function planTable(table: string, poolNumber: (pool: string) => Promise<string>): Promise<TablePlan> {
  if (table.trim().split(/\s+/)[2] === "thin-pool") return planPool(poolTable(table));
  const { sectors, pool, deviceId, externalOrigin } = parseThinTable(table);
  const numbers = await poolNumber(pool);
  const parameters = [numbers, deviceId, ...(externalOrigin === undefined ? [] : [externalOrigin])].join(" ");
  // The kernel lets one thin device be active under several names, and two file systems ruin each other on it. No two devices
  // may have the same UUID, though.
  const uuid = `${ourUuid}${numbers}-${deviceId}`;
  return {
    sectors,
    type: "thin",
    parameters,
    uuid,
    pool: isNumber(pool) ? undefined : pool,
    requireFreeDevices: () => undefined,
    suspicion: () => undefined,
  };
}

/**
 * A thin device may be given another length, and a pool may grow: the kernel would take more, and leave the pool suspended.
 *
 * @param before the table line in force
 * @throws DeviceMapperError EINVAL
 */
export function requireSameDevice(name: string, before: string, plan: TablePlan): void {
  const [, sectors, type, ...parameters] = before.split(" ");
  const planned = plan.parameters.split(" ");
  const refuse = (why: string) => {
    throw new DeviceMapperError("EINVAL", `Cannot reload '${name}': ${why}`);
  };
  if (type !== plan.type) refuse(`it is a ${type}, and stays one`);
  if (type === "thin" && (planned[0] !== parameters[0] || planned[1] !== parameters[1]))
    refuse("only its length may change");
  if (type !== "thin-pool") return;
  if (plan.sectors < Number(sectors)) refuse(`it has ${sectors} sectors, and pools do not shrink`);
  if (planned[2] !== parameters[2]) refuse(`its blocks have ${parameters[2]} sectors, which cannot be changed`);
}

function planPool(table: ThinPoolTable): TablePlan {
  const metadata = requireBlockDevice("metadata", table.metadataDevice);
  const data = requireBlockDevice("data", table.dataDevice);
  const parameters = formatPoolTable(table).split(" ").slice(3).join(" ");
  return {
    sectors: table.sectors,
    type: "thin-pool",
    parameters,
    uuid: `${ourUuid}pool-${randomUUID()}`,
    pool: undefined,
    requireFreeDevices() {
      for (const device of [table.metadataDevice, table.dataDevice]) {
        const holder = holderNames(isNumber(device) ? device : deviceNumber(device)).at(0);
        if (holder !== undefined) {
          throw new DeviceMapperError("EBUSY", `Cannot make a pool on ${device}: it is in use by ${holder}`);
        }
      }
    },
    suspicion() {
      const dataSectors = data === undefined ? Infinity : deviceSizeBytes(data) / SECTOR_BYTES;
      if (dataSectors < table.sectors) return `data device ${table.dataDevice} has only ${dataSectors} sectors`;
      const fault = metadata === undefined ? undefined : metadataFault(metadata);
      return fault === undefined ? undefined : `the superblock of metadata device ${table.metadataDevice}: ${fault}`;
    },
  };
}

function isNumber(device: string): boolean {
  return /^\d+:\d+$/.test(device);
}

/** The path; undefined where the table has a device's number instead, which only the kernel can judge. */
function requireBlockDevice(what: string, device: string): string | undefined {
  if (isNumber(device)) return undefined;
  let stat;
  try {
    stat = statSync(device);
  } catch (error) {
    const code = errorCode(error) ?? "EIO";
    throw new DeviceMapperError(code, `Cannot use the pool's ${what} device '${device}': it is not there (${code})`);
  }
  if (stat.isBlockDevice()) return device;
  throw new DeviceMapperError(
    "ENOTBLK",
    `Cannot use the pool's ${what} device '${device}': it is no block device. Attach a loop device to the file`,
  );
}

function metadataFault(path: string): string | undefined {
  const file = openDirectBlockFile(path);
  try {
    const block = new Block(superblockLocation);
    file.read(superblockLocation, block.bytes);
    return block.words.every((word) => word === 0) ? undefined : superblockFault(block);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    file.close();
  }
}

function poolTable(table: string): ThinPoolTable {
  try {
    return parsePoolTable(table);
  } catch (error) {
    if (error instanceof Error) throw new DeviceMapperError(errorCode(error) ?? "EINVAL", error.message);
    throw error;
  }
}
