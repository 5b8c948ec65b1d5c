import { existsSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import type { DeviceMapper } from "../device-mapper/device-mapper.ts";
import { chooseDeviceMapper } from "./choose-device-mapper.ts";
import { poolNameOf } from "./pool/pool-name.ts";
import type { GraphOptions } from "./graph-options.ts";
import { effectiveOptions } from "./options/stored-options.ts";

/** What a graph is going to need of the machine. */
export interface MachineNeeds {
  /** The device mapper that it runs on, or would run on. */
  deviceMapper: DeviceMapper;
  fuse: boolean;
  loopDevices: boolean;
}

/**
 * Tells before a graph is opened what it needs. Makes and changes nothing.
 *
 * @throws GraphError as opening it would, for options that cannot be used
 */
export async function machineNeeds(options: GraphOptions): Promise<MachineNeeds> {
  const root = existsSync(options.root) ? realpathSync(options.root) : resolve(options.root);
  const { options: storage } = effectiveOptions(root, options.storageOptions ?? []);
  const wanted = options.deviceMapper;
  const pool = existsSync(root) ? poolNameOf(root, storage).pool : undefined;
  const log = options.log ?? (() => undefined);
  const deviceMapper =
    typeof wanted === "object" ? wanted : await chooseDeviceMapper({ root, pool, storage, wanted, log });
  const fuse = deviceMapper.kind === "userspace";
  const files =
    storage.thinPoolDevice === undefined &&
    storage.directLvm === undefined &&
    (storage.dataDevice === undefined || storage.metadataDevice === undefined);
  return { deviceMapper, fuse, loopDevices: fuse || files };
}
