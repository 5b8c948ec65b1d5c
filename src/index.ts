import type { Readable, Writable } from "node:stream";
import type { ExportOptions, ExportResult } from "./adopt/export.ts";
import type { GraphInspection } from "./adopt/inspect.ts";
import type { OpenDockerOptions, OpenedDockerGraph } from "./adopt/open/open-docker-graph.ts";
import type { AdoptOptions } from "./adopt/opened-graph.ts";
import type { GraphAccess } from "./api/graph-access.ts";
import { openDeviceSet } from "./graph/graph.ts";
import type { DeviceSet } from "./graph/device-set.ts";
import type { GraphOptions } from "./graph/graph-options.ts";
import { imageContext, openImageStore } from "./image/image-store.ts";
import type { Store } from "./image/store.ts";
import type { Change } from "./layer/change.ts";
import type { PendingReceive } from "./transfer/interrupted-receive.ts";
import type { ReceivedContainer, ReceiveOptions } from "./transfer/receive.ts";
import type { SendOptions, SentStream } from "./transfer/send.ts";

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

  /**
   * Sends a container's device as a stream: its blocks, or with `from` those that differ from a snapshot. The container may be mounted; of a snapshot
   * (`store.snapshot`), a stream that broke off can go on. Ends the output; on failure that is destroyed.
   *
   * @param container by name or ID; undefined with `resume`
   * @throws TransferError, StoreError
   *
   * @example
   * ```ts
   * await graph.store.snapshot("web", "monday");
   * await graph.send("monday", createWriteStream("monday.stream"));
   * await graph.store.snapshot("web", "tuesday");
   * await graph.send("tuesday", createWriteStream("tuesday.stream"), { from: "monday" });
   * ```
   */
  async send(container: string | undefined, output: Writable, options: SendOptions = {}): Promise<SentStream> {
    const { sendContainer } = await import("./transfer/send.ts");
    return sendContainer(imageContext(this.devices), container, output, options);
  }

  /**
   * Makes a container of a stream, with the same bytes. It appears when all of it is here; what broke off of a snapshot is among `pendingReceives`.
   *
   * @throws TransferError, StoreError exists, invalid (name)
   */
  async receive(input: Readable, options: ReceiveOptions = {}): Promise<ReceivedContainer> {
    const { receiveContainer } = await import("./transfer/receive.ts");
    return receiveContainer(imageContext(this.devices), input, options);
  }

  /** Receives that are not complete, with what the sender needs to go on. */
  async pendingReceives(): Promise<PendingReceive[]> {
    const { pendingReceives } = await import("./transfer/interrupted-receive.ts");
    return pendingReceives(this.root);
  }

  /** Throws away what was received of a snapshot. @param which its name, the beginning of its identity, or its token */
  async discardReceive(which: string): Promise<PendingReceive> {
    const { discardReceive } = await import("./transfer/interrupted-receive.ts");
    return discardReceive(imageContext(this.devices), which);
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

/**
 * Reaches a graph through the daemon that serves it (`mica daemon --api`), which does the work then. What it mounts and counts, it does for
 * all its clients together.
 *
 * @param root the graph's folder
 * @returns undefined where no daemon with an API serves that graph: `openGraph` opens it then
 * @throws ApiError when there is one that does not answer as it should
 *
 * @example
 * ```ts
 * await using graph = (await connectGraph("/var/lib/mica")) ?? (await openGraph({ root: "/var/lib/mica" }));
 * ```
 */
export async function connectGraph(root: string): Promise<GraphAccess | undefined> {
  // Loaded when it is asked for: what opens the graph itself needs no HTTP.
  const { connectToDaemon } = await import("./api/remote-graph.ts");
  return connectToDaemon(root);
}

/**
 * Tells what a Docker graph (of the devicemapper driver, Docker 1.9 to 24) holds and what is damaged in it. Reads only; needs neither Docker nor
 * FUSE nor, where the file system is ext4, root.
 *
 * @param path Docker's data root, such as /var/lib/docker, or a copy of one
 * @throws DockerGraphError
 *
 * @example
 * ```ts
 * const { containers, problems } = await inspectDockerGraph("/var/lib/docker");
 * ```
 */
export async function inspectDockerGraph(path: string, options: AdoptOptions = {}): Promise<GraphInspection> {
  // Loaded when it is asked for: few programs do.
  const { inspectDockerGraph: inspect } = await import("./adopt/inspect.ts");
  return inspect(path, options);
}

/**
 * What a container of a Docker graph changed in its image, as `docker diff` tells it.
 *
 * @param container by name, ID, or the first characters of its ID
 * @throws DockerGraphError
 */
export async function diffDockerContainer(
  path: string,
  container: string,
  options: AdoptOptions = {},
): Promise<Change[]> {
  const { diffDockerContainer: diff } = await import("./adopt/adopt.ts");
  return diff(path, container, options);
}

/**
 * Writes images and containers of a Docker graph as an OCI image layout or an archive. Images keep their IDs and layers' digests; a container becomes
 * an image `adopted/NAME`, as by `docker commit`. What cannot be written whole is left out and told in `failed`.
 *
 * @param names images and containers by name or ID; none: everything
 * @param options.to a new folder, `oci-archive:FILE` or `docker-archive:FILE`; it is there only when it is complete
 * @throws DockerGraphError
 *
 * @example
 * ```ts
 * const { failed } = await exportDockerGraph("/var/lib/docker", ["web"], { to: "docker-archive:web.tar" });
 * ```
 */
export async function exportDockerGraph(
  path: string,
  names: readonly string[],
  options: AdoptOptions & ExportOptions & { to: string },
): Promise<ExportResult & { problems: string[] }> {
  const { exportDockerGraph: write } = await import("./adopt/adopt.ts");
  return write(path, names, options);
}

/**
 * Makes a Docker graph usable in place, as root: checks it, backs the pool's metadata and the graph's files up, and records Docker's images and
 * containers. Then `openGraph({ root })` opens it, and so does Docker, when it is shut down again.
 *
 * @param path Docker's data root, such as /var/lib/docker
 * @param options.storageOptions what Docker was started with, where the pool is not on the graph's own files
 * @throws DockerGraphError before anything is changed; GraphError as of `openGraph`
 *
 * @example
 * ```ts
 * const { root } = await openDockerGraph("/var/lib/docker");
 * const graph = await openGraph({ root });
 * ```
 */
export async function openDockerGraph(path: string, options: OpenDockerOptions = {}): Promise<OpenedDockerGraph> {
  const { openDockerGraph: open } = await import("./adopt/open/open-docker-graph.ts");
  return open(path, options);
}

export { ApiError } from "./api/api-error.ts";
export { DockerGraphError } from "./docker-graph/docker-graph-error.ts";
export { DeviceSet } from "./graph/device-set.ts";
export { graphExists, shutdownGraph } from "./graph/graph.ts";
export { machineNeeds } from "./graph/machine-needs.ts";
export { readConfigFile } from "./graph/options/config-file.ts";
export { GraphError } from "./graph/graph-error.ts";
export { humanSize, parseSize } from "./graph/options/size.ts";
export { Store } from "./image/store.ts";
export { StoreError } from "./image/store-error.ts";
export { DeviceMapperError } from "./device-mapper/device-mapper-error.ts";
export { kernelDeviceMapper } from "./device-mapper/kernel/kernel-device-mapper.ts";
export { userspaceDeviceMapper } from "./device-mapper/userspace/userspace-device-mapper.ts";
export type { DeviceAccess, GraphAccess, StoreAccess } from "./api/graph-access.ts";
export type { OpenDockerOptions, OpenedDockerGraph } from "./adopt/open/open-docker-graph.ts";
export type { AdoptOptions } from "./adopt/opened-graph.ts";
export type { ExportedImage, ExportOptions, ExportProgress, ExportResult } from "./adopt/export.ts";
export type {
  GraphInspection,
  InspectedContainer,
  InspectedImage,
  InspectedLayer,
  InspectedPool,
} from "./adopt/inspect.ts";
export type { ContainerState } from "./docker-graph/containers.ts";
export type { DockerGraphErrorCode } from "./docker-graph/docker-graph-error.ts";
export type { Configuration } from "./graph/options/config-file.ts";
export type { MachineNeeds } from "./graph/machine-needs.ts";
export type { GraphLog, GraphOptions } from "./graph/graph-options.ts";
export type { AutogrowPolicy, AutogrowSettings, GrowthRule, GrowthStep } from "./graph/growth/autogrow-policy.ts";
export type { GrownPool } from "./graph/growth/growth.ts";
export type { PoolGrowth, PoolSizes } from "./graph/growth/growth-plan.ts";
export type { GrowthSize } from "./graph/growth/growth-size.ts";
export type { DeviceRecord } from "./graph/devices/device-record.ts";
export type {
  DeviceDriverData,
  DeviceStatus,
  DeviceUsage,
  GraphBlockLocation,
} from "./graph/devices/device-reports.ts";
export type { StorageOptions } from "./graph/options/storage-options.ts";
export { RegistryError } from "./registry/registry-error.ts";
export type { RegistriesSettings, RegistrySettings } from "./graph/options/registries-table.ts";
export type { Credentials, FindCredentials } from "./registry/credentials/credentials.ts";
export type { Patience } from "./registry/patience.ts";
export type { RegistryErrorCode } from "./registry/registry-error.ts";
export type {
  ContainerSummary,
  CreateOptions,
  ImageSummary,
  ImportOptions,
  ImportProgress,
  PulledImage,
  PullOptions,
  PullProgress,
  PushedImage,
  PushOptions,
  PushProgress,
  RegistryOptions,
  TreeNode,
} from "./image/types.ts";
export type { StoreErrorCode } from "./image/store-error.ts";
export { TransferError } from "./transfer/transfer-error.ts";
export type { TransferErrorCode } from "./transfer/transfer-error.ts";
export type { PendingReceive } from "./transfer/interrupted-receive.ts";
export type { ReceivedContainer, ReceiveOptions } from "./transfer/receive.ts";
export type { SendOptions, SentStream } from "./transfer/send.ts";
export type { Change, ChangeKind } from "./layer/change.ts";
export type {
  DeviceMapper,
  DeviceInfo,
  PoolUsage,
  ThinDeviceUsage,
  BlockLocation,
} from "./device-mapper/device-mapper.ts";
