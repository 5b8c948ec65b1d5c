import { deviceSizeBytes } from "../../linux/block-device.ts";
import { entriesPerPage } from "../../persistent-data/count-page.ts";
import { mostMetadataBlocks } from "../../persistent-data/metadata-limit.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { sizeAfter, type GrowthSize } from "./growth-size.ts";
import { poolDevices, type PoolDevice } from "../pool/pool-devices.ts";
import { metadataBlockBytes, type PoolStatus } from "../pool/pool-status.ts";
import { humanSize } from "../options/size.ts";

/** What is to grow. On block devices: what the device has to have; the pool takes all of it. */
export interface PoolGrowth {
  dataBytes?: GrowthSize;
  metadataBytes?: GrowthSize;
}

/** How much a pool can hold. */
export interface PoolSizes {
  dataBytes: number;
  metadataBytes: number;
}

/** One half of a pool on its way from one size to another. */
export interface Step {
  kind: "data" | "metadata";
  device: PoolDevice;
  /** Of the pool's own idea of it. */
  nowBytes: number;
  /** Of the file or device, at the end. */
  deviceBytes: number;
}

export type Steps = [data: Step, metadata: Step];

/** The largest metadata device that a thin pool can use: 15.9 GiB. */
export const mostMetadataBytes = mostMetadataBlocks * metadataBlockBytes;

/** A pool's sizes as it sees them: whole blocks. */
export function sizesOf(status: PoolStatus, table: string): PoolSizes {
  const blockBytes = Number(table.trim().split(/\s+/)[5]) * 512;
  return {
    dataBytes: status.totalDataBlocks * blockBytes,
    metadataBytes: status.totalMetadataBlocks * metadataBlockBytes,
  };
}

/**
 * What has to become how large.
 *
 * @throws GraphError EINVAL for what cannot be
 */
export function planSteps(context: GraphContext, growth: PoolGrowth, table: string, status: PoolStatus): Steps {
  const now = sizesOf(status, table);
  const devices = poolDevices(context);
  const blockBytes = Number(table.split(/\s+/)[5]) * 512;
  const plan = (kind: Step["kind"], nowBytes: number, size: GrowthSize | undefined, unitBytes: number): Step => {
    const device = devices[kind];
    const haveBytes = deviceSizeBytes(device.file ?? device.path);
    const wantedBytes = size === undefined ? nowBytes : Math.ceil(sizeAfter(nowBytes, size) / unitBytes) * unitBytes;
    const refuse = (why: string): GraphError =>
      new GraphError("EINVAL", `Cannot grow the ${kind} of pool ${context.pool} to ${humanSize(wantedBytes)}: ${why}`);
    if (wantedBytes < nowBytes) throw refuse(`it has ${humanSize(nowBytes)}, and a pool cannot be made smaller`);
    if (kind === "metadata" && wantedBytes > mostMetadataBytes) {
      throw refuse(`a thin pool uses no more than ${humanSize(mostMetadataBytes)} of metadata`);
    }
    if (device.file === undefined && wantedBytes > haveBytes) {
      throw refuse(`its device ${device.path} has ${humanSize(haveBytes)}. Make the device larger first`);
    }
    // What the device has beyond the wish is the pool's too: the next start would take it.
    const deviceBytes = Math.max(wantedBytes, haveBytes - (haveBytes % unitBytes));
    return {
      kind,
      device,
      nowBytes,
      deviceBytes: kind === "data" ? deviceBytes : Math.min(deviceBytes, mostMetadataBytes),
    };
  };
  const steps: Steps = [
    plan("data", now.dataBytes, growth.dataBytes, blockBytes),
    plan("metadata", now.metadataBytes, growth.metadataBytes, metadataBlockBytes),
  ];
  requireMetadataRoom(context, steps, status);
  return steps;
}

/**
 * Each data block is counted in a bitmap in the metadata. dm-thin finds out that they do not fit when it is too late: it fails the
 * growth, turns read-only and asks for a check.
 */
function requireMetadataRoom({ pool }: GraphContext, [data, metadata]: Steps, status: PoolStatus): void {
  const blockBytes = data.nowBytes / status.totalDataBlocks;
  const bitmaps = (from: number, to: number): number =>
    Math.ceil(to / entriesPerPage) - Math.ceil(from / entriesPerPage);
  const metadataBlocks = Math.floor(metadata.deviceBytes / metadataBlockBytes);
  const neededBlocks =
    bitmaps(status.totalDataBlocks, data.deviceBytes / blockBytes) +
    bitmaps(status.totalMetadataBlocks, metadataBlocks);
  // The index over the bitmaps, and what dm-thin keeps back for a commit.
  const spareBlocks = Math.ceil(neededBlocks / 100) + Math.min(1024, Math.floor(metadataBlocks / 10));
  if (neededBlocks === 0 || metadataBlocks - status.usedMetadataBlocks >= neededBlocks + spareBlocks) return;
  throw new GraphError(
    "EINVAL",
    `Cannot grow the data of pool ${pool} to ${humanSize(data.deviceBytes)}: its metadata has no room to keep account of so much. ` +
      "Grow the metadata too",
  );
}
