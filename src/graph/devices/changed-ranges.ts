import type { DeviceMetadata } from "../files/device-metadata.ts";
import type { GraphContext } from "../graph-context.ts";
import { poolBlockBytes } from "../pool/thin-pool.ts";

/** A range in which a device may differ from its origin: it was written ("mapped"), or is empty where the origin is not ("unmapped"). */
export interface ChangedRange {
  kind: "mapped" | "unmapped";
  /** A multiple of the pool's block size. */
  offsetBytes: number;
  /** The last block of a device may be cut short by its end. */
  lengthBytes: number;
}

/** A part of what differs between two devices. */
export interface ChangedRanges {
  /** The pool's block size. */
  blockBytes: number;
  /** Ascending. */
  ranges: ChangedRange[];
  /** Where to go on from; undefined when that was all. */
  nextBytes: number | undefined;
}

/** What of a device another does not have in the same place, or what it has at all, from a place on. */
export async function reportChanges(
  context: GraphContext,
  device: DeviceMetadata,
  origin: DeviceMetadata | undefined,
  fromBytes: number,
): Promise<ChangedRanges> {
  const blockBytes = await poolBlockBytes(context);
  const begin = Math.floor(fromBytes / blockBytes);
  const { runs, next } = await context.mapper.changedBlocks(context.pool, device.deviceId, origin?.deviceId, begin);
  const ranges = runs
    .map(({ kind, begin: first, length }) => {
      const offsetBytes = first * blockBytes;
      return { kind, offsetBytes, lengthBytes: Math.min(length * blockBytes, device.sizeBytes - offsetBytes) };
    })
    .filter(({ lengthBytes }) => lengthBytes > 0);
  return { blockBytes, ranges, nextBytes: next === undefined ? undefined : next * blockBytes };
}
