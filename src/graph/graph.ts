import { existsSync, mkdirSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DeviceMapper } from "../device-mapper/device-mapper.ts";
import { errorCode } from "../linux/system-error.ts";
import { ensureBaseDevice } from "./base-device.ts";
import { DeferredDeletions } from "./deferred-deletions.ts";
import { DeviceIds } from "./device-ids.ts";
import { baseId, deviceNames } from "./device-names.ts";
import { DeviceSet, type DeviceSetParts } from "./device-set.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import { GraphLocks } from "./graph-locks.ts";
import type { GraphOptions } from "./graph-options.ts";
import { completeGrowth } from "./growth.ts";
import { MetadataStore } from "./metadata-store.ts";
import { migrateSingleFile } from "./migrate-single-file.ts";
import { MountedDevices } from "./mounted-devices.ts";
import { reconcile, requireOwnPool } from "./reconcile.ts";
import { retryDeferredDeletions } from "./removal.ts";
import { stopGraph } from "./shutdown.ts";
import type { StorageOptions } from "./storage-options.ts";
import { effectiveOptions, storeOptions } from "./stored-options.ts";
import { ensurePool, poolStatus } from "./thin-pool.ts";
import { Transactions } from "./transactions.ts";

export type { GraphLog, GraphOptions } from "./graph-options.ts";
export { DeviceSet } from "./device-set.ts";
export { GraphError } from "./graph-error.ts";

const lockTimeoutMs = 60_000;

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
  const root = existingRoot(options.root);
  const { options: storage, toStore } = effectiveOptions(root, options.storageOptions ?? []);
  const parts = await assemble(root, storage, options);
  try {
    const changesAsked = (options.storageOptions ?? []).length > 0 || toStore !== undefined;
    if (changesAsked || !(await runsCleanly(parts.context))) await start(parts);
    if (toStore !== undefined) storeOptions(root, toStore);
    if (parts.deferred.list().length > 0) await parts.context.locks.operation(() => retryDeferredDeletions(parts));
    return new DeviceSet(parts);
  } catch (error) {
    parts.context.locks.close();
    throw error;
  }
}

/** Unmounts everything of a graph and stops its pool, without starting first what does not run. Nothing to do is no error. */
export async function shutdownGraph(options: GraphOptions): Promise<void> {
  if (!graphExists(options.root)) return;
  const root = existingRoot(options.root);
  const { options: storage } = effectiveOptions(root, options.storageOptions ?? []);
  const { context } = await assemble(root, storage, options);
  try {
    await context.locks.alone(() => stopGraph(context));
  } finally {
    context.locks.close();
  }
}

function existingRoot(root: string): string {
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

async function assemble(root: string, storage: StorageOptions, options: GraphOptions): Promise<DeviceSetParts> {
  const mapper = options.deviceMapper ?? (await defaultDeviceMapper());
  const log = options.log ?? (() => undefined);
  const names = deviceNames(root);
  const deferredRemoval = storage.useDeferredRemoval ?? mapper.supportsDeferredRemoval;
  refuseUnsupported(storage, mapper, deferredRemoval);
  const context: GraphContext = {
    root,
    options: storage,
    mapper,
    log,
    names,
    locks: new GraphLocks(root, options.lockTimeoutMs ?? lockTimeoutMs, log),
    store: new MetadataStore(root),
    pool: storage.thinPoolDevice ?? names.ownPool,
    exclusivePool: storage.thinPoolDevice === undefined,
    deferredRemoval,
    deferredDeletion: storage.useDeferredDeletion ?? deferredRemoval,
  };
  const ids = new DeviceIds(context.store);
  return {
    context,
    ids,
    transactions: new Transactions(context, ids),
    mounted: new MountedDevices(context),
    deferred: new DeferredDeletions(root),
  };
}

function refuseUnsupported(options: StorageOptions, mapper: DeviceMapper, deferredRemoval: boolean): void {
  const refuse = (what: string, why: string) => new GraphError("ENOTSUP", `Cannot use ${what}: ${why}`);
  if (options.directLvm !== undefined) {
    throw refuse(
      "dm.directlvm_device",
      mapper.kind === "userspace"
        ? "the user-space device mapper has no LVM. Give the device itself, with dm.datadev, and another for dm.metadatadev"
        : "setting up LVM is not supported yet. Make the pool with lvcreate and give it with dm.thinpooldev",
    );
  }
  if (deferredRemoval && !mapper.supportsDeferredRemoval) {
    throw refuse("dm.use_deferred_removal=true", "this device mapper cannot remove a device later");
  }
  if (options.useDeferredDeletion === true && !deferredRemoval) {
    throw refuse("dm.use_deferred_deletion=true", "deferred deletion needs deferred removal");
  }
  if (!mapper.udevSyncSupported && !options.overrideUdevSyncCheck) {
    throw refuse(
      "this device mapper",
      "udev sync is not supported. dm.override_udev_sync_check=true goes on without it",
    );
  }
}

async function defaultDeviceMapper(): Promise<DeviceMapper> {
  const { userspaceDeviceMapper } = await import("../device-mapper/userspace/userspace-device-mapper.ts");
  return userspaceDeviceMapper();
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
      if (state === "started") await stopGraph(context).catch((second: unknown) => context.log("warn", String(second)));
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
  await requireOwnPool(context);
  await transactions.recover(await poolStatus(context));
  await reconcile(context);
  for (const [id, { deleted }] of context.store.devices().devices) if (deleted) deferred.add(id);
}
