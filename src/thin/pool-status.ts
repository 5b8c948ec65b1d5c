import type { DeviceMapping } from "./device-mapping.ts";
import { metadataLowWaterMark } from "./low-water-marks.ts";
import type { ThinMetadata } from "./metadata.ts";
import type { PoolCore } from "./pool-core.ts";
import { poolMode } from "./pool-mode.ts";

/**
 * The status parameters of a pool as dm-thin.c (pool_status, STATUSTYPE_INFO) prints them, without the blank that the
 * kernel leaves at the end: `1 20/1024 30/1600 - rw discard_passdown queue_if_no_space - 256`.
 */
export function poolStatus(core: PoolCore): string {
  if (core.mode === poolMode.fail) return "Fail";
  const { metadata, table } = core;
  const discard = table.ignoreDiscard
    ? "ignore_discard"
    : table.noDiscardPassdown
      ? "no_discard_passdown"
      : "discard_passdown";
  return [
    metadata.transactionId,
    `${usedMetadataBlocks(metadata)}/${metadata.metadataBlocks}`,
    `${metadata.allocatedDataBlocks}/${metadata.dataBlocks}`,
    metadata.heldRoot === 0 ? "-" : metadata.heldRoot,
    core.mode === poolMode.write ? "rw" : core.mode === poolMode.outOfDataSpace ? "out_of_data_space" : "ro",
    discard,
    core.errorIfNoSpace ? "error_if_no_space" : "queue_if_no_space",
    metadata.needsCheck ? "needs_check" : "-",
    metadataLowWaterMark(metadata.metadataBlocks),
  ].join(" ");
}

/** The kernel counts its reserve, a tenth and at most 1024 blocks, as used (dm-thin-metadata.c, __set_metadata_reserve). */
function usedMetadataBlocks({ metadataBlocks, allocatedMetadataBlocks }: ThinMetadata): number {
  const reserve = Math.min(1024, Math.floor(metadataBlocks / 10));
  return Math.min(metadataBlocks, allocatedMetadataBlocks + reserve);
}

/**
 * The status parameters of a thin device as dm-thin.c (thin_status) prints them: mapped sectors and the highest mapped
 * sector, `-` where nothing is mapped; `Fail` on a failed pool, `Error` when the device cannot be read.
 */
export function volumeStatus(core: PoolCore, mapping: DeviceMapping): string {
  if (core.mode === poolMode.fail) return "Fail";
  const sectors = core.table.blockSizeSectors;
  try {
    const highest = mapping.highestMapped();
    return `${mapping.mappedBlocks * sectors} ${highest < 0 ? "-" : (highest + 1) * sectors - 1}`;
  } catch {
    return "Error";
  }
}
