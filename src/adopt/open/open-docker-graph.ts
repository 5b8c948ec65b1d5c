import { readDockerGraph, type DockerGraph } from "../../docker-graph/docker-graph.ts";
import { DockerGraphError } from "../../docker-graph/docker-graph-error.ts";
import { assembleGraph } from "../../graph/assemble-graph.ts";
import type { DeviceSet } from "../../graph/device-set.ts";
import type { GraphContext } from "../../graph/graph-context.ts";
import type { GraphOptions } from "../../graph/graph-options.ts";
import { openDeviceSet } from "../../graph/graph.ts";
import { findDisagreement } from "../../graph/transactions/reconcile.ts";
import { refuseRunningDocker } from "../../graph/pool/refuse-running-docker.ts";
import { poolStatus } from "../../graph/pool/thin-pool.ts";
import { effectiveOptions } from "../../graph/options/stored-options.ts";
import { openImageStore } from "../../image/image-store.ts";
import { StoreFiles } from "../../image/store-files.ts";
import { StoreLocks } from "../../image/store-locks.ts";
import { blockDevicePath } from "../../linux/device-path.ts";
import { deviceLabels } from "../device-labels.ts";
import { OpenedGraph } from "../opened-graph.ts";
import { adoptRecords, type AdoptedRecords } from "./adopt-records.ts";
import { backUpGraph } from "./back-up-graph.ts";
import { requireConsent, requireSound } from "./refusals.ts";

/** How to open a Docker graph as one of Mica's. */
export interface OpenDockerOptions extends Omit<GraphOptions, "root"> {
  /** Goes on where the pool holds devices that no file names, which are deleted, or files name devices that are lost. Default: refuses. */
  acceptLosses?: boolean;
  signal?: AbortSignal | undefined;
}

/** A Docker graph that is Mica's too. */
export interface OpenedDockerGraph extends AdoptedRecords {
  /** What to give as `--root`, or to `openGraph`. */
  root: string;
  /** The folder with the backup of the metadata. */
  backup: string;
  /** What is wrong with the graph now, in plain words. */
  problems: string[];
}

/**
 * Makes a Docker graph usable in place: checks it, backs its metadata up, starts its pool once and records Docker's images and containers in the
 * store. The pool is left as it was found, running or not. Docker's own files stay as they are, so that Docker can open the graph again;
 * not while Mica has it open, though.
 *
 * @param path the data root, such as /var/lib/docker, or its devicemapper folder
 * @param options.storageOptions what Docker was started with, where the pool is not on the graph's own files: dm.thinpooldev, dm.datadev …
 * @throws DockerGraphError before anything is changed: EDAMAGED, EBUSY, EFOREIGN, NO_POOL; GraphError as of `openGraph`
 */
export async function openDockerGraph(path: string, options: OpenDockerOptions = {}): Promise<OpenedDockerGraph> {
  const graph = readDockerGraph(path);
  refuseRunningDocker(graph.graphRoot);
  const forRoot: GraphOptions = { ...options, root: graph.graphRoot };
  const { options: storage } = effectiveOptions(graph.graphRoot, options.storageOptions ?? []);
  const { context } = await assembleGraph(graph.graphRoot, storage, forRoot);
  let backup;
  let wasRunning;
  try {
    wasRunning = (await context.mapper.info(context.pool)) !== undefined;
    const metadataPath =
      context.exclusivePool && !wasRunning
        ? await judgeStoppedPool(path, context, options)
        : await judgeRunningPool(graph, context, options);
    backup = await atRest(context, wasRunning, () => backUpGraph(graph, metadataPath));
  } finally {
    context.locks.close();
  }
  const devices = await openDeviceSet(forRoot);
  try {
    // As the files are now: starting the pool has settled what did not agree.
    const settled = readDockerGraph(path);
    const adopted = await recordAll(settled, devices, options.signal);
    const store = await openImageStore(devices);
    const problems = [...settled.problems, ...(await devices.check()), ...(await store.check())];
    return { root: graph.graphRoot, backup, ...adopted, problems };
  } finally {
    if (wasRunning) await devices.close();
    else await devices.shutdown();
  }
}

/** @returns where the pool's metadata is */
async function judgeStoppedPool(path: string, context: GraphContext, options: OpenDockerOptions): Promise<string> {
  const { dataDevice, metadataDevice } = context.options;
  const files = { dataPath: dataDevice, metadataPath: metadataDevice, signal: options.signal };
  const opened = await OpenedGraph.open(path, files, "refuse");
  try {
    const { graph, label, pool, place } = opened;
    const metadataPath = place!.metadataPath;
    const faults = pool === undefined ? opened.problems : pool.problems().metadata;
    requireSound(graph, metadataPath, opened.repaired && faults.length === 0 ? opened.problems : faults);
    const inPool = new Set((pool?.devices() ?? []).map(({ id }) => id));
    requireConsent(graph, { ids: inPool, transactionId: pool?.transactionId ?? 0 }, label, options);
    return metadataPath;
  } finally {
    opened.close();
  }
}

/** A pool that others made (dm.thinpooldev, LVM) runs, or it is Mica's and this is done again. @returns where its metadata is */
async function judgeRunningPool(
  graph: DockerGraph,
  context: GraphContext,
  options: OpenDockerOptions,
): Promise<string> {
  const { mapper, pool } = context;
  const info = await mapper.info(pool);
  if (info?.target !== "thin-pool") {
    throw new DockerGraphError(
      "NO_POOL",
      `Cannot open '${graph.dataRoot}': there is no thin pool '${pool}' in the device mapper. Activate it first (lvchange -ay docker/thinpool), and ` +
        "name it as dmsetup ls does: --storage-opt dm.thinpooldev=docker-thinpool",
    );
  }
  const metadata = info.tableLine.split(" ")[3];
  const metadataPath = /^\d+:\d+$/.test(metadata) ? blockDevicePath(metadata) : metadata;
  if (metadataPath === undefined) {
    throw new DockerGraphError(
      "NO_POOL",
      `Cannot open '${graph.dataRoot}': /dev has no node of the metadata of ${pool}`,
    );
  }
  requireSound(graph, metadataPath, await mapper.checkMetadata(pool));
  const { unknownInPool, missingInPool } = await findDisagreement(context);
  const inPool = new Set((await mapper.thinDevices(pool)).map(({ id }) => id));
  // In a pool that others use too, what has no name here is theirs.
  if (!context.exclusivePool) for (const { id } of unknownInPool) inPool.delete(id);
  if (missingInPool.length > 0 || context.exclusivePool) {
    const { transactionId } = await poolStatus(context);
    requireConsent(graph, { ids: inPool, transactionId }, deviceLabels(graph), options);
  }
  return metadataPath;
}

async function atRest<T>({ mapper, pool }: GraphContext, running: boolean, task: () => T): Promise<T> {
  if (!running) return task();
  await mapper.suspend(pool);
  try {
    return task();
  } finally {
    await mapper.resume(pool);
  }
}

async function recordAll(
  graph: DockerGraph,
  devices: DeviceSet,
  signal: AbortSignal | undefined,
): Promise<AdoptedRecords> {
  const files = new StoreFiles(devices.root);
  files.prepare();
  return adoptRecords({ graph, devices, files, locks: new StoreLocks(files.lockFile), signal });
}
