import { DockerGraphError } from "../docker-graph/docker-graph-error.ts";
import { readDockerGraph, type DockerGraph } from "../docker-graph/docker-graph.ts";
import { letGoAdvice, locatePool, poolUser, type PoolPlace } from "../docker-graph/pool-place.ts";
import type { FrozenPool } from "../frozen-pool/frozen-pool.ts";
import { openTree } from "../frozen-pool/open-tree.ts";
import { baseId } from "../graph/devices/device-names.ts";
import { parseFileSystem, superblockBytes } from "../graph/devices/file-system-superblock.ts";
import { humanSize } from "../graph/options/size.ts";
import { deviceSizeBytes } from "../linux/block-device.ts";
import { comparePool, isForeignPool } from "./compare-pool.ts";
import { deviceLabels } from "./device-labels.ts";
import type { KnownPool } from "./repair-metadata.ts";
import type { Rootfs, RootfsSource, WhenLost } from "./rootfs.ts";
import { openSoundPool, type SoundPool } from "./sound-pool.ts";

/** Options of what reads a Docker graph. */
export interface AdoptOptions {
  /** The pool's data and metadata, where they are not the graph's own sparse files. */
  dataPath?: string | undefined;
  metadataPath?: string | undefined;
  /** Block size of the pool, for when its superblock is lost. Default: 64 KiB on sparse files, 512 KiB on devices. */
  blockSizeBytes?: number | undefined;
  /** Aborted, it undoes what it did so far and rejects. */
  signal?: AbortSignal | undefined;
}

/** What to do about a pool that is missing, in use or another's: say so and go on without it, or refuse. */
export type WhenUnusable = "tell" | "refuse";

/** A Docker graph with its pool, open for reading; nothing in it is changed. */
export class OpenedGraph implements RootfsSource {
  readonly graph: DockerGraph;
  readonly place: PoolPlace | undefined;
  /** Undefined where it cannot be read. */
  readonly pool: FrozenPool | undefined;
  /** The pool's figures are those of a repaired copy. */
  readonly repaired: boolean;
  /** What is wrong, in plain words: with the files, the pool, and between them. */
  readonly problems: string[];
  /** What a user would call a device. */
  readonly label: (device: string) => string;
  readonly #sound: SoundPool | undefined;

  private constructor(
    graph: DockerGraph,
    problems: string[],
    label: (device: string) => string,
    opened: { place: PoolPlace; sound: SoundPool } | undefined,
  ) {
    this.graph = graph;
    this.problems = problems;
    this.label = label;
    this.place = opened?.place;
    this.pool = opened?.sound.pool;
    this.repaired = opened?.sound.repaired ?? false;
    this.#sound = opened?.sound;
  }

  /**
   * Opens the graph at a path.
   *
   * @throws DockerGraphError NO_DOCKER_GRAPH; where its pool cannot be used, NO_POOL, EBUSY, EFOREIGN or EACCES
   */
  static async open(path: string, options: AdoptOptions, whenUnusable: WhenUnusable): Promise<OpenedGraph> {
    const graph = readDockerGraph(path);
    const problems = [...graph.problems];
    const label = deviceLabels(graph);
    try {
      return new OpenedGraph(graph, problems, label, await openPool(graph, problems, label, options, whenUnusable));
    } catch (error) {
      if (whenUnusable === "refuse" || !(error instanceof DockerGraphError)) throw error;
      problems.push(error.message);
      return new OpenedGraph(graph, problems, label, undefined);
    }
  }

  async rootfs(device: string, whenLost: WhenLost): Promise<Rootfs> {
    const { label } = this;
    const metadata = this.graph.deviceFiles.devices.get(device);
    if (metadata === undefined) throw new Error(`the graph has no file of ${label(device)}, so its device is unknown`);
    const pool = whenLost === "fail" ? this.#sound?.strict : this.pool;
    if (pool === undefined) throw new Error("the pool cannot be read");
    const { deviceId, sizeBytes } = metadata;
    const tree = await openTree(pool, { deviceId, sizeBytes });
    try {
      const top = tree.top();
      try {
        const rootfs = top.folder("rootfs");
        return {
          top: rootfs,
          close: async () => {
            rootfs.close();
            await tree.close();
          },
        };
      } finally {
        top.close();
      }
    } catch (error) {
      await tree.close();
      throw error;
    }
  }

  /** Lets go of the pool, and removes the copy of its metadata, if one was made. */
  close(): void {
    this.#sound?.close();
  }
}

async function openPool(
  graph: DockerGraph,
  problems: string[],
  label: (device: string) => string,
  options: AdoptOptions,
  whenUnusable: WhenUnusable,
): Promise<{ place: PoolPlace; sound: SoundPool }> {
  const place = locatePool(graph.graphRoot, options);
  const user = poolUser(place);
  if (user !== undefined) {
    if (whenUnusable === "refuse") {
      throw new DockerGraphError("EBUSY", `Cannot read the pool of '${graph.dataRoot}': ${user}. ${letGoAdvice}`);
    }
    problems.push(`The pool is in use: ${user}. What is read meanwhile may be wrong, as it may change`);
  }
  const sound = await openSoundPool(place, knownPool(graph, place, options), options.signal);
  try {
    problems.push(...sound.problems);
    if (sound.pool !== undefined) judgePool(graph, place, { ...sound, pool: sound.pool }, problems, label);
    return { place, sound };
  } catch (error) {
    sound.close();
    throw error;
  }
}

function knownPool(graph: DockerGraph, place: PoolPlace, options: AdoptOptions): KnownPool {
  const { devices, transaction } = graph.deviceFiles;
  const made = [...devices.values()].map(({ transactionId }) => transactionId);
  const assumedBytes = place.loopback ? 64 * 1024 : 512 * 1024;
  return {
    deviceIds: new Set([...devices.values()].map(({ deviceId }) => deviceId)),
    transactionId: Math.max(transaction?.openTransactionId ?? 0, ...made),
    dataBlockSectors: (options.blockSizeBytes ?? assumedBytes) / 512,
    dataBytes: deviceSizeBytes(place.dataPath),
  };
}

/** Is it this graph's pool, and is all there? */
function judgePool(
  graph: DockerGraph,
  place: PoolPlace,
  { pool, lostBlocks, doubtful }: SoundPool & { pool: FrozenPool },
  problems: string[],
  label: (device: string) => string,
): void {
  const { deviceFiles } = graph;
  if (isForeignPool(deviceFiles, pool)) throw foreign(graph, "it does not hold the graph's devices");
  // What a repair could not save reads as zeroes: that tells nothing of whose pool it is.
  if (!lostBlocks.has(deviceFiles.devices.get(baseId)?.deviceId ?? -1)) judgeBase(graph, pool);
  problems.push(...comparePool(deviceFiles, pool, label));
  const dataBytes = deviceSizeBytes(place.dataPath);
  const wantedBytes = pool.space.dataBlocks * pool.blockBytes;
  if (wantedBytes > dataBytes) {
    problems.push(
      `The pool's data '${place.dataPath}' is cut short: it has ${humanSize(dataBytes)} of ${humanSize(wantedBytes)}`,
    );
  }
  const names = new Map([...deviceFiles.devices].map(([name, { deviceId }]) => [deviceId, name]));
  const called = (id: number): string => {
    const name = names.get(id);
    return name === undefined ? `device id ${id}` : label(name);
  };
  for (const [id, blocks] of lostBlocks) {
    problems.push(`Lost: ${humanSize(blocks * pool.blockBytes)} of ${called(id)}`);
  }
  if (doubtful.size > 0) {
    problems.push(
      `Of ${[...doubtful].map(called).join(", ")} the state may be an earlier one. Layers of images are compared with their digests ` +
        "when they are exported; what a container holds should be looked through",
    );
  }
}

/** Device ids are small numbers in every pool; the base device's UUID is in one only. */
function judgeBase(graph: DockerGraph, pool: FrozenPool): void {
  const base = graph.deviceFiles.devices.get(baseId);
  const wanted = graph.deviceFiles.deviceSet?.baseDeviceUuid ?? "";
  if (base?.initialized !== true || wanted === "") return;
  const start = Buffer.alloc(superblockBytes);
  try {
    pool.volume(base.deviceId, base.sizeBytes).read(start, 0, start.length, 0);
  } catch {
    return; // damaged, which is told elsewhere
  }
  const found = parseFileSystem(start);
  if (found?.uuid === wanted) return;
  const has = found === undefined ? "no file system" : `UUID ${found.uuid}`;
  throw foreign(graph, `its base device has ${has}, and the graph's has UUID ${wanted}`);
}

function foreign(graph: DockerGraph, why: string): DockerGraphError {
  return new DockerGraphError(
    "EFOREIGN",
    `Cannot use the pool for '${graph.dataRoot}': it is another graph's pool, or was emptied: ${why}. Give data and metadata that belong to it`,
  );
}
