import { chooseDeviceMapper } from "./choose-device-mapper.ts";
import { DeferredDeletions } from "./files/deferred-deletions.ts";
import { DeviceIds } from "./transactions/device-ids.ts";
import { deviceNames } from "./devices/device-names.ts";
import type { DeviceSetParts } from "./device-set.ts";
import type { GraphContext } from "./graph-context.ts";
import { GraphError } from "./graph-error.ts";
import { GraphLocks } from "./locks/graph-locks.ts";
import type { GraphOptions } from "./graph-options.ts";
import { MetadataStore } from "./files/metadata-store.ts";
import { MountedDevices } from "./devices/mounted-devices.ts";
import { poolNameOf } from "./pool/pool-name.ts";
import type { StorageOptions } from "./options/storage-options.ts";
import { Transactions } from "./transactions/transactions.ts";

const lockTimeoutMs = 60_000;

/**
 * Puts the parts of a graph together, on the device mapper that is to be used. Nothing is started or changed.
 *
 * @param root exists; without links
 */
export async function assembleGraph(
  root: string,
  storage: StorageOptions,
  options: GraphOptions,
): Promise<DeviceSetParts> {
  const log = options.log ?? (() => undefined);
  const names = deviceNames(root);
  const { pool, exclusive } = poolNameOf(root, storage);
  const wanted = options.deviceMapper;
  const mapper = typeof wanted === "object" ? wanted : await chooseDeviceMapper({ root, pool, storage, wanted, log });
  const deferredRemoval = storage.useDeferredRemoval ?? mapper.supportsDeferredRemoval;
  const context: GraphContext = {
    root,
    options: storage,
    mapper,
    log,
    names,
    locks: new GraphLocks(root, options.lockTimeoutMs ?? lockTimeoutMs, log),
    store: new MetadataStore(root),
    pool,
    exclusivePool: exclusive,
    autogrow: options.autogrow ?? {},
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

/**
 * Before a graph is used, not to shut it down.
 *
 * @throws GraphError ENOTSUP when the options ask for what the device mapper cannot do
 */
export function refuseUnsupported({ options, mapper, deferredRemoval }: GraphContext): void {
  const refuse = (what: string, why: string) => new GraphError("ENOTSUP", `Cannot use ${what}: ${why}`);
  if (options.directLvm !== undefined && mapper.kind === "userspace") {
    throw refuse(
      "dm.directlvm_device",
      "the user-space device mapper has no LVM. Use the kernel's (--device-mapper kernel), or give the device itself, with dm.datadev, and " +
        "another for dm.metadatadev",
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
      "udev sync is not supported. Start udev, or go on without it with dm.override_udev_sync_check=true",
    );
  }
}
