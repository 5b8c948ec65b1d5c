import { errorCode } from "../linux/system-error.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import { poolDevices, preparePoolDevices } from "./pool-devices.ts";
import { parsePoolStatus, type PoolStatus } from "./pool-status.ts";
import { storedBlockSizeBytes } from "./pool-superblock.ts";
import { humanSize } from "./size.ts";

/** dm-thin's low-water mark, in blocks, as Docker sets it. */
const lowWaterMarkBlocks = 32768;

/**
 * Makes sure that the pool runs, and its files have the size that they are to have. Only for who holds the graph's lock.
 *
 * @returns "started" when it did not run before: then everything the files say is to be compared with it
 */
export async function ensurePool(context: GraphContext): Promise<"started" | "running"> {
  if (!context.exclusivePool) {
    await requireGivenPool(context);
    return "started";
  }
  const running = await context.mapper.info(context.pool);
  const { data, metadata, dataBytes } = preparePoolDevices(context);
  const stored = storedBlockSizeBytes(metadata.path);
  const blockBytes = stored ?? context.options.blockSizeBytes;
  if (context.options.given.has("blocksize") && blockBytes !== context.options.blockSizeBytes) {
    throw new GraphError(
      "EINVAL",
      `Cannot use dm.blocksize with ${humanSize(context.options.blockSizeBytes)}: the pool of '${context.root}' was made with ` +
        `${humanSize(blockBytes)}, and that cannot be changed. Leave the option out`,
    );
  }
  const table = poolTable(context, { data: data.path, metadata: metadata.path, dataBytes, blockBytes });
  if (running === undefined) {
    context.log("debug", `starting pool ${context.pool}: ${table}`);
    await context.mapper.create(context.pool, table);
    return "started";
  }
  return "running";
}

function poolTable(
  context: GraphContext,
  pool: { data: string; metadata: string; dataBytes: number; blockBytes: number },
): string {
  const sectors = Math.floor(pool.dataBytes / 512);
  const start = `0 ${sectors} thin-pool ${pool.metadata} ${pool.data} ${pool.blockBytes / 512} ${lowWaterMarkBlocks}`;
  // In user space a new block is a hole already, so zeroing costs nothing and no container sees another's old data.
  return context.mapper.kind === "kernel" ? `${start} 1 skip_block_zeroing` : start;
}

async function requireGivenPool(context: GraphContext): Promise<void> {
  const info = await context.mapper.info(context.pool);
  if (info?.target === "thin-pool") return;
  const why = info === undefined ? "there is no such device" : "it is no thin pool";
  throw new GraphError(
    "ENXIO",
    `Cannot use dm.thinpooldev=${context.pool}: ${why}` +
      (context.mapper.kind === "userspace"
        ? " in the user-space device mapper, which knows the pools it runs itself"
        : ""),
  );
}

/** The pool's state now. */
export async function poolStatus(context: GraphContext): Promise<PoolStatus> {
  return parsePoolStatus(context.pool, await poolStatusLine(context));
}

async function poolStatusLine(context: GraphContext): Promise<string> {
  try {
    return await context.mapper.status(context.pool);
  } catch (error) {
    if (errorCode(error) !== "ENXIO") throw error;
    throw new GraphError(
      "ENXIO",
      `Cannot go on with '${context.root}': its pool has been stopped. Open the graph again`,
    );
  }
}

/**
 * Refuses to make a device in a pool that is nearly full.
 *
 * @throws GraphError ENOSPC
 */
export function requireFreeSpace(context: GraphContext, status: PoolStatus): void {
  const percent = context.options.minFreeSpacePercent;
  if (status.mode === "ro" || status.needsCheck) {
    throw new GraphError(
      "EROFS",
      `Cannot make a device: pool ${context.pool} is read-only${status.needsCheck ? " and needs a check" : ""}. Run the check`,
    );
  }
  if (percent === 0) return;
  const { usedDataBlocks, totalDataBlocks, usedMetadataBlocks, totalMetadataBlocks } = status;
  const kinds: [string, number, number][] = [
    ["data", usedDataBlocks, totalDataBlocks],
    ["metadata", usedMetadataBlocks, totalMetadataBlocks],
  ];
  for (const [kind, used, total] of kinds) {
    const least = Math.max(1, Math.floor((total * percent) / 100));
    if (total - used >= least) continue;
    throw new GraphError(
      "ENOSPC",
      `Cannot make a device: pool ${context.pool} has ${total - used} free ${kind} blocks, and dm.min_free_space=${percent}% asks for ${least}. ` +
        "Remove something, make the pool larger, or lower dm.min_free_space",
    );
  }
}

/** Block size of the running pool, out of its table. */
export async function poolBlockBytes(context: GraphContext): Promise<number> {
  const fields = (await context.mapper.table(context.pool)).trim().split(/\s+/);
  return Number(fields[5]) * 512;
}

/** The pool's two devices, for the status lines; nothing for a pool that was given. */
export function poolDevicesForStatus(context: GraphContext): ReturnType<typeof poolDevices> | undefined {
  return context.exclusivePool ? poolDevices(context) : undefined;
}
