import { activateDevice, deactivateDevice } from "./activation.ts";
import type { DeviceMetadata } from "../files/device-metadata.ts";
import type { DeviceStatus, DeviceUsage, GraphBlockLocation } from "./device-reports.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { poolBlockBytes } from "../pool/thin-pool.ts";

/** A device's status line, read; an inactive device is active for that moment. Only for who holds the device's lock. */
export async function reportStatus(context: GraphContext, id: string, metadata: DeviceMetadata): Promise<DeviceStatus> {
  const name = context.names.device(id);
  const before = await context.mapper.info(name);
  if (before === undefined) await activateDevice(context, id, metadata);
  try {
    const status = await context.mapper.status(name);
    const fields = /^\d+ \d+ thin (\d+) (\d+|-)/.exec(status.trim());
    if (fields === null)
      throw new GraphError("EIO", `Cannot read the status of device ${id}: it is '${status.trim()}'`);
    return {
      deviceId: metadata.deviceId,
      sizeBytes: metadata.sizeBytes,
      transactionId: metadata.transactionId,
      mappedSectors: Number(fields[1]),
      highestMappedSector: fields[2] === "-" ? undefined : Number(fields[2]),
      blockDevice: before?.blockDevice,
    };
  } finally {
    if (before === undefined) await deactivateDevice(context, id, "retry");
  }
}

/** What each device of the graph holds. */
export async function reportUsage(context: GraphContext): Promise<DeviceUsage[]> {
  const { devices, blockSizeSectors } = await context.mapper.usage(context.pool);
  const byDeviceId = new Map(devices.map((device) => [device.id, device]));
  const report: DeviceUsage[] = [];
  for (const [id, { deviceId }] of context.store.devices().devices) {
    const usage = byDeviceId.get(deviceId);
    if (usage === undefined) continue;
    report.push({
      id,
      deviceId,
      mappedBytes: usage.mappedBlocks * blockSizeSectors * 512,
      exclusiveBytes: usage.exclusiveBlocks * blockSizeSectors * 512,
    });
  }
  return report;
}

/** What a device has that its origin has not, in bytes. */
export async function reportAdded(
  context: GraphContext,
  device: DeviceMetadata,
  origin: DeviceMetadata,
): Promise<number> {
  const blocks = await context.mapper.addedBlocks(context.pool, device.deviceId, origin.deviceId);
  return blocks * (await poolBlockBytes(context));
}

/** Where a block of a device lives, with the graph's names for who shares it. */
export async function reportBlock(
  context: GraphContext,
  id: string,
  metadata: DeviceMetadata,
  block: number,
): Promise<GraphBlockLocation> {
  const blockSizeBytes = await poolBlockBytes(context);
  const blocks = Math.ceil(metadata.sizeBytes / blockSizeBytes);
  if (!Number.isSafeInteger(block) || block < 0 || block >= blocks) {
    throw new GraphError("EINVAL", `Cannot locate block ${block} of device ${id}: it has blocks 0 to ${blocks - 1}`);
  }
  const location = await context.mapper.locate(context.pool, metadata.deviceId, block);
  const byDeviceId = new Map(
    [...context.store.devices().devices].map(([name, device]) => [device.deviceId, { name, device }]),
  );
  const owners = location.owners.map((deviceId) => byDeviceId.get(deviceId)?.name ?? `#${deviceId}`);
  const oldest = location.owners
    .flatMap((deviceId) => byDeviceId.get(deviceId) ?? [])
    .sort((one, other) => one.device.transactionId - other.device.transactionId)[0] as { name: string } | undefined;
  return { blockSizeBytes, dataBlock: location.dataBlock, time: location.time, owners, writer: oldest?.name };
}
