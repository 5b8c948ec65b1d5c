import { openDeviceSet } from "./graph/graph.ts";
import type { DeviceSet } from "./graph/device-set.ts";
import type { GraphOptions } from "./graph/graph-options.ts";
import { openImageStore } from "./image/image-store.ts";
import type { Store } from "./image/store.ts";

/**
 * An open graph: one thin pool with everything in it. The pool and its mounts belong to the machine, not to this object:
 * they go on when the process ends, and any number of processes may have the same graph open.
 */
export class Graph implements AsyncDisposable {
  /** Thin devices by name: snapshots of the base or of each other, mounted or as plain block devices. */
  readonly devices: DeviceSet;
  /** Images and containers, which stand on the devices. */
  readonly store: Store;

  /** Use {@link openGraph}. */
  constructor(devices: DeviceSet, store: Store) {
    this.devices = devices;
    this.store = store;
  }

  /** The graph's folder. */
  get root(): string {
    return this.devices.root;
  }

  /** Forgets what this process holds of the graph; pool and mounts stay. */
  async close(): Promise<void> {
    await this.devices.close();
  }

  /** Unmounts everything, deactivates every device and stops the pool. Nothing is lost; the next openGraph starts it again. */
  async shutdown(): Promise<void> {
    await this.devices.shutdown();
  }

  /** For `await using graph = await openGraph(…)` of TypeScript: the same as {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens the graph in a folder, making it on first use: starts its pool where none runs, and puts right what a crash left.
 *
 * @param options the folder, `dm.*` storage options (kept with the graph), where messages go
 * @throws GraphError when an option is refused, the pool cannot start, or the folder belongs to another pool
 *
 * @example
 * ```ts
 * import { openGraph } from "mica";
 *
 * const graph = await openGraph({ root: "/var/lib/mica", storageOptions: ["dm.basesize=20G"] });
 * await graph.store.import("app", "./image.tar");
 * const { id } = await graph.store.create("app", { name: "web" });
 * const folder = await graph.store.mount(id);
 * // … files of the container are below `folder`
 * await graph.store.umount(id);
 * await graph.store.removeContainer(id);
 * await graph.close();
 * ```
 */
export async function openGraph(options: GraphOptions): Promise<Graph> {
  const devices = await openDeviceSet(options);
  try {
    return new Graph(devices, await openImageStore(devices));
  } catch (error) {
    await devices.close();
    throw error;
  }
}

export { DeviceSet } from "./graph/device-set.ts";
export { graphExists, shutdownGraph } from "./graph/graph.ts";
export { GraphError } from "./graph/graph-error.ts";
export { humanSize, parseSize } from "./graph/size.ts";
export { Store } from "./image/store.ts";
export { StoreError } from "./image/store-error.ts";
export { DeviceMapperError } from "./device-mapper/device-mapper-error.ts";
export { kernelDeviceMapper } from "./device-mapper/kernel/kernel-device-mapper.ts";
export { userspaceDeviceMapper } from "./device-mapper/userspace/userspace-device-mapper.ts";
export type { GraphLog, GraphOptions } from "./graph/graph-options.ts";
export type { DeviceRecord } from "./graph/device-record.ts";
export type { DeviceDriverData, DeviceStatus, DeviceUsage, GraphBlockLocation } from "./graph/device-reports.ts";
export type { StorageOptions } from "./graph/storage-options.ts";
export type {
  ContainerSummary,
  CreateOptions,
  ImageSummary,
  ImportOptions,
  ImportProgress,
  TreeNode,
} from "./image/types.ts";
export type { StoreErrorCode } from "./image/store-error.ts";
export type { Change, ChangeKind } from "./layer/change.ts";
export type {
  DeviceMapper,
  DeviceInfo,
  PoolUsage,
  ThinDeviceUsage,
  BlockLocation,
} from "./device-mapper/device-mapper.ts";
