import { exportFolder, runningExport } from "../../block-device/nbd/export-record.ts";
import { endExport, ExportError, startExport } from "../../block-device/nbd/export-process.ts";
import { defaultRunDir } from "../../block-device/pool-paths.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import { leaveInPlace } from "../files/left-in-place.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { activateDevice, deactivateDevice } from "./activation.ts";
import { isDeviceMounted } from "./mount-points.ts";

/** How a device is to be exported by NBD. */
export interface ExportWish {
  /** Absolute path of the unix socket. */
  socket: string;
  /** Default "read-write". */
  access?: "read-write" | "read-only" | undefined;
  /** "shared", for what nobody writes to, such as a layer: it may be mounted meanwhile. Default "exclusive". */
  claim?: "exclusive" | "shared" | undefined;
  /** The export's name; the empty one means it too. Default: the device's. */
  name?: string | undefined;
}

/** A device that is exported by NBD. */
export interface ExportedDevice {
  blockDevice: string;
  socket: string;
  access: "read-write" | "read-only";
  name: string;
}

/** Exports a device by NBD, and makes it active. Only for who holds the device's lock. */
export async function exportDevice(
  context: GraphContext,
  id: string,
  metadata: DeviceMetadata,
  { socket, access = "read-write", claim = "exclusive", name = id }: ExportWish,
): Promise<ExportedDevice> {
  if (claim === "shared" && access === "read-write") {
    throw new GraphError("EINVAL", `Cannot export device ${id}: what is written to cannot be shared`);
  }
  if (claim === "exclusive" && isDeviceMounted(context, id)) {
    throw new GraphError("EBUSY", `Cannot export '${name}': it is mounted. Unmount it first`);
  }
  const device = context.names.device(id);
  const wasActive = (await context.mapper.info(device)) !== undefined;
  const blockDevice = await activateDevice(context, id, metadata);
  try {
    const folder = exportFolderOf(context);
    const blockSizeBytes = (await poolBlockSectors(context)) * 512;
    await startExport({ folder, device, blockDevice, socket, name, access, claim, blockSizeBytes });
  } catch (error) {
    if (!wasActive) await deactivateDevice(context, id, "fail").catch(() => undefined);
    throw error instanceof ExportError ? new GraphError(error.code, error.message, { cause: error }) : error;
  }
  if (!isDeviceMounted(context, id)) leaveInPlace(context, id);
  return { blockDevice, socket, access, name };
}

/** Ends a device's export, if it has one. Only for who holds the device's lock. */
export async function endDeviceExport(context: GraphContext, id: string): Promise<void> {
  await endExportOf(context, context.names.device(id));
}

/** As `endDeviceExport`, of a device by its name in the device mapper: the graph may not know it. */
export async function endExportOf(context: GraphContext, name: string): Promise<void> {
  await endExport(exportFolderOf(context), name);
}

/** Where a device is exported, or undefined. */
export function exportSocketOf(context: GraphContext, id: string): string | undefined {
  return runningExport(exportFolderOf(context), context.names.device(id))?.socket;
}

function exportFolderOf({ mapper }: GraphContext): string {
  return exportFolder(mapper.runDir ?? defaultRunDir());
}

async function poolBlockSectors(context: GraphContext): Promise<number> {
  // 0 SECTORS thin-pool METADATA DATA BLOCKSECTORS …
  return Number((await context.mapper.table(context.pool)).trim().split(/\s+/)[5]);
}
