import { deviceSizeBytes } from "../../linux/block-device.ts";
import { errorCode } from "../../linux/system-error.ts";
import { autogrowPolicy, leastThresholdPercent, type AutogrowPolicy, type GrowthRule } from "./autogrow-policy.ts";
import type { GraphContext } from "../graph-context.ts";
import { growPool, type GrownPool } from "./growth.ts";
import { mostMetadataBytes, type PoolGrowth } from "./growth-plan.ts";
import { sizeAfter } from "./growth-size.ts";
import { hostSpace } from "../pool/host-space.ts";
import { poolDevices, type PoolDevice } from "../pool/pool-devices.ts";
import { metadataBlockBytes, type PoolStatus } from "../pool/pool-status.ts";
import { humanSize } from "../options/size.ts";
import { poolBlockBytes, poolStatus } from "../pool/thin-pool.ts";

/** Loopback files grow by themselves until the file system under them would be so full, were they filled. */
const mostHostPercent = 90;

/** What growing by itself came to. */
export interface Autogrowth {
  /** Undefined where it did not grow. */
  grown: GrownPool | undefined;
  /** It should have grown, and why it did not. */
  refusals: string[];
}

interface Fill {
  usedBytes: number;
  totalBytes: number;
}

/** How large something may become, and who says so. */
export interface GrowthLimit {
  bytes: number;
  why: string;
}

/** Whether it is worth looking at the policy: costs nothing. */
export function mayHaveToGrow(context: GraphContext, status: PoolStatus): boolean {
  if (!context.exclusivePool || status.mode === "ro" || status.needsCheck) return false;
  const least = leastThresholdPercent / 100;
  return (
    status.usedDataBlocks >= status.totalDataBlocks * least ||
    status.usedMetadataBlocks >= status.totalMetadataBlocks * least
  );
}

/** Grows the pool if its policy says so. Only for who holds the lock of the pool's table. */
export async function growByPolicy(context: GraphContext): Promise<Autogrowth> {
  const status = await poolStatus(context);
  const policy = mayHaveToGrow(context, status) ? autogrowPolicy(context) : undefined;
  if (policy?.enabled !== true) return { grown: undefined, refusals: [] };
  const { growth, refusals } = planAutogrowth(context, policy, status, await poolBlockBytes(context));
  if (growth === undefined) return { grown: undefined, refusals };
  try {
    return { grown: await growPool(context, growth), refusals };
  } catch (error) {
    if (errorCode(error) === "ENXIO") throw error; // the pool is gone
    return { grown: undefined, refusals: [...refusals, error instanceof Error ? error.message : String(error)] };
  }
}

function planAutogrowth(
  context: GraphContext,
  policy: AutogrowPolicy,
  status: PoolStatus,
  blockBytes: number,
): { growth: PoolGrowth | undefined; refusals: string[] } {
  const devices = poolDevices(context);
  const refusals: string[] = [];
  const plan = (kind: "data" | "metadata", fill: Fill, rule: GrowthRule, more: GrowthLimit[]): number | undefined => {
    const limits = [...more, ...limitsOf(devices[kind], rule)];
    const thresholdPercent = thresholdFor(context, rule);
    const decision = decideGrowth(fill, { ...rule, thresholdPercent }, limits);
    if (decision === undefined || typeof decision === "number") return decision;
    refusals.push(
      `the ${kind} of pool ${context.pool} is ${thresholdPercent}% full and does not grow: ${decision.why}`,
    );
    return undefined;
  };
  const data = {
    usedBytes: status.usedDataBlocks * blockBytes,
    totalBytes: status.totalDataBlocks * blockBytes,
  };
  const metadata = {
    usedBytes: status.usedMetadataBlocks * metadataBlockBytes,
    totalBytes: status.totalMetadataBlocks * metadataBlockBytes,
  };
  const dataBytes = plan("data", data, policy.data, []);
  const metadataBytes = plan("metadata", metadata, policy.metadata, [
    { bytes: mostMetadataBytes, why: `a thin pool uses no more than ${humanSize(mostMetadataBytes)} of metadata` },
  ]);
  if (dataBytes === undefined && metadataBytes === undefined) return { growth: undefined, refusals };
  return {
    growth: {
      ...(dataBytes !== undefined && { dataBytes: Math.floor(dataBytes / blockBytes) * blockBytes }),
      ...(metadataBytes !== undefined && {
        metadataBytes: Math.floor(metadataBytes / metadataBlockBytes) * metadataBlockBytes,
      }),
    },
    refusals,
  };
}

/** What dm.min_free_space keeps free is not to be run into before the pool grows. */
function thresholdFor({ options }: GraphContext, { thresholdPercent }: GrowthRule): number {
  return Math.max(leastThresholdPercent, Math.min(thresholdPercent, 100 - options.minFreeSpacePercent));
}

function limitsOf({ path, file }: PoolDevice, { ceilingBytes }: GrowthRule): GrowthLimit[] {
  const limits: GrowthLimit[] = [];
  if (ceilingBytes !== undefined)
    limits.push({ bytes: ceilingBytes, why: `its ceiling is ${humanSize(ceilingBytes)}` });
  if (file === undefined) {
    limits.push({ bytes: deviceSizeBytes(path), why: `its device ${path} has no more. Make that larger` });
  } else {
    const { allocated, total, used } = hostSpace(file);
    limits.push({
      bytes: allocated + Math.max(0, Math.floor((total * mostHostPercent) / 100) - used),
      why: `the file system of '${file}' would be more than ${mostHostPercent}% full. Make room there, or mica pool grow goes beyond`,
    });
  }
  return limits;
}

/**
 * How large one half of a pool is to become.
 *
 * @returns bytes; undefined where it is not full enough; the limit that is in the way
 */
export function decideGrowth(fill: Fill, rule: GrowthRule, limits: GrowthLimit[]): number | GrowthLimit | undefined {
  const { usedBytes, totalBytes } = fill;
  const leastBytes = (usedBytes * 100) / rule.thresholdPercent;
  if (totalBytes > leastBytes) return undefined;
  let wantedBytes = totalBytes;
  while (wantedBytes <= leastBytes) wantedBytes = sizeAfter(wantedBytes, rule.step);
  const limit = limits.reduce<GrowthLimit>((least, each) => (each.bytes < least.bytes ? each : least), {
    bytes: Infinity,
    why: "",
  });
  // Less than a hundredth is not worth the reload, and would be asked for again at once.
  if (limit.bytes < totalBytes * 1.01) return limit;
  return Math.min(wantedBytes, limit.bytes);
}
