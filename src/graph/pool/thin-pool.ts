import { errorCode } from "../../linux/system-error.ts";
import { ensureDirectLvm } from "./direct-lvm.ts";
import { requireGivenPool } from "./given-pool.ts";
import type { GraphContext } from "../graph-context.ts";
import { GraphError } from "../graph-error.ts";
import { holdForKernel, type Held } from "./hold-for-kernel.ts";
import { poolDevices, preparePoolDevices, runningPoolDevices } from "./pool-devices.ts";
import { requireWritable } from "./pool-health.ts";
import { requireNothingStored, requireNotOlder } from "../transactions/pool-identity.ts";
import { parsePoolStatus, type PoolStatus } from "./pool-status.ts";
import { inspectMetadata } from "./pool-superblock.ts";
import { humanSize } from "../options/size.ts";

/** dm-thin's low-water mark, in blocks, as Docker sets it. */
const lowWaterMarkBlocks = 32768;

/**
 * Makes sure that the pool runs, and its files have the size that they are to have. Only for who holds the graph's lock.
 *
 * @returns "started" when it did not run before: then everything the files say is to be compared with it
 */
export async function ensurePool(context: GraphContext): Promise<"started" | "running"> {
  const { mapper, pool, options } = context;
  await mapper.recover(pool);
  if (!context.exclusivePool) {
    if (options.directLvm !== undefined) await ensureDirectLvm(context, options.directLvm);
    await requireGivenPool(context);
    refuseOtherBlockSize(context, await poolBlockBytes(context));
    requireWritable(context, await poolStatus(context));
    return "started";
  }
  const running = await mapper.info(pool);
  const { dataBytes } = preparePoolDevices(context);
  if (running !== undefined) {
    refuseOtherBlockSize(context, await poolBlockBytes(context));
    return "running";
  }
  const devices = poolDevices(context);
  const stored = inspectMetadata(context, devices.metadata.file ?? devices.metadata.path);
  if (stored === "nothing") requireNothingStored(context);
  else requireNotOlder(context, stored.transactionId);
  const blockBytes = stored === "nothing" ? options.blockSizeBytes : stored.blockSizeBytes;
  refuseOtherBlockSize(context, blockBytes);
  await startPool(context, { dataBytes, blockBytes });
  return "started";
}

async function startPool(context: GraphContext, sizes: { dataBytes: number; blockBytes: number }): Promise<void> {
  const { mapper, pool } = context;
  const { metadata, data } = poolDevices(context);
  const held: Held[] = [];
  try {
    if (mapper.kind === "kernel") {
      // Docker's order: the loop devices get the same numbers on a machine where none are used.
      for (const device of [data, metadata]) {
        const taken = await holdForKernel(device.file ?? device.path);
        held.push(taken);
        device.path = taken.device;
      }
    }
    const table = poolTable(context, { data: data.path, metadata: metadata.path, ...sizes });
    context.log("debug", `starting pool ${pool}: ${table}`);
    await mapper.create(pool, table);
  } finally {
    for (const device of held) device.letGo();
  }
  try {
    requireWritable(context, await poolStatus(context));
  } catch (error) {
    await mapper.remove(pool).catch((second: unknown) => context.log("warn", String(second)));
    throw error;
  }
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

function refuseOtherBlockSize({ options, pool }: GraphContext, blockBytes: number): void {
  if (!options.given.has("blocksize") || blockBytes === options.blockSizeBytes) return;
  throw new GraphError(
    "EINVAL",
    `Cannot use dm.blocksize with ${humanSize(options.blockSizeBytes)}: pool ${pool} was made with ` +
      `${humanSize(blockBytes)}, and that cannot be changed. Leave the option out`,
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
  requireWritable(context, status);
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

/** The pool's two devices and its block size, for the status lines; no devices for a pool that was given. */
export async function poolForStatus(
  context: GraphContext,
): Promise<{ blockBytes: number; devices: ReturnType<typeof poolDevices> | undefined }> {
  const table = await context.mapper.table(context.pool);
  return {
    blockBytes: Number(table.trim().split(/\s+/)[5]) * 512,
    devices: context.exclusivePool ? runningPoolDevices(context, table) : undefined,
  };
}
