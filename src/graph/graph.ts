import { existsSync, mkdirSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { errorCode } from "../linux/system-error.ts";
import { assembleGraph, refuseUnsupported } from "./assemble-graph.ts";
import { ensureBaseDevice } from "./devices/base-device.ts";
import { baseId } from "./devices/device-names.ts";
import { DeviceSet, type DeviceSetParts } from "./device-set.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import type { GraphOptions } from "./graph-options.ts";
import { completeGrowth } from "./growth/growth.ts";
import { migrateSingleFile } from "./files/migrate-single-file.ts";
import { ensureMonitor } from "./growth/monitor-process.ts";
import { requireSamePool } from "./transactions/pool-identity.ts";
import { findDisagreement, reconcile } from "./transactions/reconcile.ts";
import { refuseRunningDocker } from "./pool/refuse-running-docker.ts";
import { retryDeferredDeletions } from "./devices/removal.ts";
import { stopGraph, undoStart } from "./shutdown.ts";
import { effectiveOptions, storeOptions } from "./options/stored-options.ts";
import { ensurePool, poolStatus } from "./pool/thin-pool.ts";
import { clearUserspaceMark, markUserspacePool } from "./files/userspace-mark.ts";

export type { GraphLog, GraphOptions } from "./graph-options.ts";
export { DeviceSet } from "./device-set.ts";
export { GraphError } from "./graph-error.ts";

/** Whether there is a graph in a folder: made by Mica or by Docker. Looks at nothing but names. */
export function graphExists(root: string): boolean {
  return existsSync(join(root, "metadata")) || existsSync(join(root, "devicemapper"));
}

/**
 * Opens a graph; makes it if there is none. Starts its pool if it does not run, undoes what a crash left half done, and makes the
 * base device the first time. On a graph that runs it costs a few milliseconds.
 *
 * @throws GraphError
 */
export async function openDeviceSet(options: GraphOptions): Promise<DeviceSet> {
  const root = prepareRoot(options.root);
  refuseRunningDocker(root);
  const { options: storage, changed, toStore } = effectiveOptions(root, options.storageOptions ?? []);
  const parts = await assembleGraph(root, storage, options);
  try {
    refuseUnsupported(parts.context);
    if (changed || toStore !== undefined || !(await runsCleanly(parts.context))) await start(parts);
    if (toStore !== undefined) storeOptions(root, toStore);
    if (parts.deferred.list().length > 0) await parts.context.locks.operation(() => retryDeferredDeletions(parts));
    ensureMonitor(parts.context);
    const set = new DeviceSet(parts);
    await set.endAbandonedMounts();
    return set;
  } catch (error) {
    parts.context.locks.close();
    throw error;
  }
}

/** Unmounts everything of a graph and stops its pool, without starting first what does not run. Nothing to do is no error. */
export async function shutdownGraph(options: GraphOptions): Promise<void> {
  if (!graphExists(options.root)) return;
  const root = prepareRoot(options.root);
  refuseRunningDocker(root);
  const { options: storage } = effectiveOptions(root, options.storageOptions ?? []);
  const { context } = await assembleGraph(root, storage, options);
  try {
    await context.locks.alone(() => stopGraph(context));
  } finally {
    context.locks.close();
  }
}

/** Makes a graph's folder if it is missing. @returns its path, absolute and without links */
export function prepareRoot(root: string): string {
  try {
    mkdirSync(resolve(root), { recursive: true, mode: 0o711 });
    mkdirSync(join(resolve(root), "mnt"), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (errorCode(error) === "EACCES" || errorCode(error) === "EPERM") {
      throw new GraphError("EPERM", `Cannot make the graph '${root}': permission denied. Run as root`, {
        cause: error,
      });
    }
    throw error;
  }
  return realpathSync(root);
}

/** Takes no lock: what another process has open at this moment is completed by it. */
async function runsCleanly(context: GraphContext): Promise<boolean> {
  if ((await context.mapper.info(context.pool)) === undefined) return false;
  if (context.store.device(baseId)?.initialized !== true) return false;
  if (existsSync(join(context.root, "devicemapper", "json"))) return false;
  try {
    const open = context.store.transaction();
    return open === undefined || open.openTransactionId <= (await poolStatus(context)).transactionId;
  } catch (error) {
    if (errorCode(error) === "EDAMAGED") return false;
    throw error;
  }
}

async function start(parts: DeviceSetParts): Promise<void> {
  const { context } = parts;
  await context.locks.operation(async () => {
    const state = await context.locks.change(() => startPool(parts));
    try {
      if (state === "started") await context.locks.change(() => compareWithPool(parts));
      await ensureBaseDevice(parts);
    } catch (error) {
      // What this start began must not be left running by a start that failed.
      if (state === "started") await undoStart(context).catch((second: unknown) => context.log("warn", String(second)));
      throw error;
    }
  });
}

async function startPool({ context, transactions }: DeviceSetParts): Promise<"started" | "running"> {
  migrateSingleFile(context);
  const state = await ensurePool(context);
  if (state === "running") await context.locks.poolTable(() => completeGrowth(context));
  if (state === "running") await transactions.recover(await poolStatus(context));
  return state;
}

async function compareWithPool({ context, transactions, deferred }: DeviceSetParts): Promise<void> {
  const [status, found] = [await poolStatus(context), await findDisagreement(context)];
  requireSamePool(context, status, found);
  const changed = await transactions.recover(status);
  await reconcile(context, changed ? await findDisagreement(context) : found);
  if (context.mapper.kind === "kernel") clearUserspaceMark(context.root);
  else if (context.exclusivePool) markUserspacePool(context.root);
  for (const [id, { deleted }] of context.store.devices().devices) if (deleted) deferred.add(id);
}
