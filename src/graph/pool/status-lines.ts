import { statfsSync } from "node:fs";
import { baseId } from "../devices/device-names.ts";
import type { GraphContext } from "../graph-context.ts";
import type { PoolDevice } from "./pool-devices.ts";
import { metadataBlockBytes } from "./pool-status.ts";
import { humanSize } from "../options/size.ts";
import { poolForStatus, poolStatus } from "./thin-pool.ts";

/**
 * The lines of `docker info`, in its order and units. Lines without a value are left out.
 *
 * @param deletedCount devices that wait for their deletion
 */
export async function statusLines(context: GraphContext, deletedCount: number): Promise<[string, string][]> {
  const { mapper, options, store } = context;
  const [status, { blockBytes, devices }] = [await poolStatus(context), await poolForStatus(context)];
  const data = space(status.usedDataBlocks * blockBytes, status.totalDataBlocks * blockBytes, devices?.data);
  const metadata = space(
    status.usedMetadataBlocks * metadataBlockBytes,
    status.totalMetadataBlocks * metadataBlockBytes,
    devices?.metadata,
  );
  const leastFreeBlocks = Math.floor((status.totalDataBlocks * options.minFreeSpacePercent) / 100);
  const lines: [string, string][] = [
    ["Pool Name", context.pool],
    ["Pool Blocksize", dockerSize(blockBytes)],
    ["Base Device Size", dockerSize(store.device(baseId)?.sizeBytes ?? 0)],
    ["Backing Filesystem", store.deviceSet()?.baseDeviceFileSystem ?? ""],
    ["Udev Sync Supported", String(mapper.udevSyncSupported)],
    ["Data file", devices?.data.path ?? ""],
    ["Metadata file", devices?.metadata.path ?? ""],
    ["Data loop file", devices?.data.file ?? ""],
    ["Metadata loop file", devices?.metadata.file ?? ""],
    ["Data Space Used", dockerSize(data.used)],
    ["Data Space Total", dockerSize(data.total)],
    ["Data Space Available", dockerSize(data.available)],
    ["Metadata Space Used", dockerSize(metadata.used)],
    ["Metadata Space Total", dockerSize(metadata.total)],
    ["Metadata Space Available", dockerSize(metadata.available)],
    ["Thin Pool Minimum Free Space", dockerSize(leastFreeBlocks * blockBytes)],
    ["Deferred Removal Enabled", String(context.deferredRemoval)],
    ["Deferred Deletion Enabled", String(context.deferredDeletion)],
    ["Deferred Deleted Device Count", String(deletedCount)],
    ["Library Version", mapper.libraryVersion],
  ];
  return lines.filter(([, value]) => value !== "");
}

/** Docker 20.10 has no blank in these sizes. */
function dockerSize(bytes: number): string {
  return humanSize(bytes).replace(" ", "");
}

/** A sparse file has no more to give than the file system it is on. */
function space(
  used: number,
  total: number,
  device: PoolDevice | undefined,
): { used: number; total: number; available: number } {
  const free = total - used;
  if (device?.file === undefined) return { used, total, available: free };
  const host = statfsSync(device.file);
  return { used, total, available: Math.min(free, host.bavail * host.bsize) };
}
