import type { ContainerState, StoredContainer } from "../docker-graph/containers.ts";
import type { DockerGraph } from "../docker-graph/docker-graph.ts";
import type { StoredImage } from "../docker-graph/stored-image.ts";
import { baseId } from "../graph/devices/device-names.ts";
import { diffSize } from "../layer/diff-size.ts";
import { OpenedGraph, type AdoptOptions } from "./opened-graph.ts";
import { withRootfs } from "./rootfs.ts";

/** What a Docker graph holds. */
export interface GraphInspection {
  dataRoot: string;
  /** How its images are kept: by content (Docker 1.10 to 24), "v1" (Docker 1.9 and older), or not there. */
  layout: DockerGraph["layout"];
  images: InspectedImage[];
  containers: InspectedContainer[];
  /** Names only: a volume is a plain folder. */
  volumes: string[];
  /** Null where the pool cannot be read. */
  pool: InspectedPool | null;
  /** What is damaged, missing or in doubt, in plain words. */
  problems: string[];
}

/** An image of a Docker graph. */
export interface InspectedImage {
  /** "sha256:…", or of Docker 1.9 and older 64 hexadecimal digits. */
  id: string;
  references: string[];
  /** Left by a build on its way to another image. */
  intermediate: boolean;
  created: string | null;
  architecture: string | null;
  os: string | null;
  /** Bytes of the files in all its layers. */
  sizeBytes: number;
  /** Bottom first. */
  layers: InspectedLayer[];
}

/** A layer of an image. */
export interface InspectedLayer {
  /** Null in images of Docker 1.9 and older, which have no digests. */
  chainId: string | null;
  diffId: string | null;
  sizeBytes: number | null;
  /** The graph's name of its device. */
  device: string;
  /** Its number in the pool. */
  deviceId: number | null;
}

/** A container of a Docker graph. */
export interface InspectedContainer {
  id: string;
  name: string;
  /** The name its image was asked for by. */
  image: string;
  imageId: string;
  command: string[];
  created: string | null;
  /** When Docker last wrote it down. */
  state: ContainerState;
  exitCode: number;
  /** Bytes of the files that it added or changed, as `docker ps --size` counts them; null where they cannot be read. */
  sizeBytes: number | null;
  /** Bytes of the pool that no other device has. */
  exclusiveBytes: number | null;
  device: string | null;
  deviceId: number | null;
}

/** The pool under a Docker graph. */
export interface InspectedPool {
  dataPath: string;
  metadataPath: string;
  transactionId: number;
  blockSizeBytes: number;
  dataUsedBytes: number;
  dataTotalBytes: number;
  metadataUsedBytes: number;
  metadataTotalBytes: number;
  /** "ext4", "xfs", or "" where the graph does not say. */
  fileSystem: string;
  baseSizeBytes: number | null;
  devices: number;
  /** The graph's names of devices that wait to be deleted. */
  deferredDeleted: string[];
  /** The figures are those of a repaired copy. */
  repaired: boolean;
}

const metadataBlockBytes = 4096;

/**
 * Tells what a Docker graph holds and what is damaged in it. Reads only; works without a Docker daemon, without the kernel's device mapper and,
 * where the file system is ext4, without root.
 *
 * @param path Docker's data root, such as /var/lib/docker, or a copy of one
 * @throws DockerGraphError NO_DOCKER_GRAPH
 *
 * @example
 * const { containers } = await inspectDockerGraph("/var/lib/docker");
 */
export async function inspectDockerGraph(path: string, options: AdoptOptions = {}): Promise<GraphInspection> {
  const opened = await OpenedGraph.open(path, options, "tell");
  try {
    const { graph, problems } = opened;
    const containers: InspectedContainer[] = [];
    for (const container of graph.containers) {
      options.signal?.throwIfAborted();
      containers.push(await inspectContainer(opened, container));
    }
    return {
      dataRoot: graph.dataRoot,
      layout: graph.layout,
      images: newestFirst(graph.images.map((image) => inspectImage(graph, image))),
      containers: newestFirst(containers),
      volumes: graph.volumes,
      pool: inspectPool(opened),
      problems: [...problems],
    };
  } finally {
    opened.close();
  }
}

/** As Docker lists them. */
function newestFirst<T extends { created: string | null }>(items: T[]): T[] {
  const time = ({ created }: T): number => Date.parse(created ?? "") || 0;
  return items.sort((a, b) => time(b) - time(a));
}

function inspectImage({ deviceFiles }: DockerGraph, image: StoredImage): InspectedImage {
  const { id, references, intermediate } = image;
  return {
    id,
    references,
    intermediate,
    created: image.created ?? null,
    architecture: image.architecture ?? null,
    os: image.os ?? null,
    sizeBytes: image.layers.reduce((sum, { contentBytes = 0 }) => sum + contentBytes, 0),
    layers: image.layers.map(({ key, diffId, contentBytes, device }) => ({
      chainId: diffId === undefined ? null : key,
      diffId: diffId ?? null,
      sizeBytes: contentBytes ?? null,
      device,
      deviceId: deviceFiles.devices.get(device)?.deviceId ?? null,
    })),
  };
}

async function inspectContainer(opened: OpenedGraph, container: StoredContainer): Promise<InspectedContainer> {
  const { id, name, image, imageId, command, created, state, exitCode, mount } = container;
  const deviceId = mount === undefined ? undefined : opened.graph.deviceFiles.devices.get(mount.device)?.deviceId;
  const inPool = opened.pool?.devices().find((device) => device.id === deviceId);
  return {
    id,
    name,
    image,
    imageId,
    command,
    created: created ?? null,
    state,
    exitCode,
    sizeBytes: (await sizeOf(opened, container)) ?? null,
    exclusiveBytes: inPool === undefined ? null : inPool.exclusiveBlocks * opened.pool!.blockBytes,
    device: mount?.device ?? null,
    deviceId: deviceId ?? null,
  };
}

async function sizeOf(opened: OpenedGraph, { name, mount }: StoredContainer): Promise<number | undefined> {
  if (mount === undefined || opened.pool === undefined) return undefined;
  try {
    return await withRootfs(opened, [mount.device, mount.initDevice], (root, below) =>
      Promise.resolve(diffSize(root, below)),
    );
  } catch (error) {
    opened.problems.push(`Container ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function inspectPool({ graph, place, pool, repaired }: OpenedGraph): InspectedPool | null {
  if (place === undefined || pool === undefined) return null;
  const { space, blockBytes } = pool;
  const { devices, deviceSet } = graph.deviceFiles;
  return {
    dataPath: place.dataPath,
    metadataPath: place.metadataPath,
    transactionId: pool.transactionId,
    blockSizeBytes: blockBytes,
    dataUsedBytes: space.usedDataBlocks * blockBytes,
    dataTotalBytes: space.dataBlocks * blockBytes,
    metadataUsedBytes: space.usedMetadataBlocks * metadataBlockBytes,
    metadataTotalBytes: space.metadataBlocks * metadataBlockBytes,
    fileSystem: deviceSet?.baseDeviceFileSystem ?? "",
    baseSizeBytes: devices.get(baseId)?.sizeBytes ?? null,
    devices: pool.devices().length,
    deferredDeleted: [...devices].filter(([, { deleted }]) => deleted).map(([name]) => name),
    repaired,
  };
}
