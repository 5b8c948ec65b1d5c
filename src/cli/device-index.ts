import { existsSync } from "node:fs";
import { join } from "node:path";
import type { GraphAccess } from "../api/graph-access.ts";
import type { DeviceRecord, TreeNode } from "../index.ts";

/** One thin device with all that is known of it: its place among images and containers, and its state in the pool. */
export interface ListedDevice {
  /** "docker": a layer or container of a dockerd that Mica serves. "receiving": a device of which a part was received. "device": one that nobody of these stands on, made through the library. */
  kind: "base" | "layer" | "container" | "snapshot" | "docker" | "receiving" | "device";
  /** A container's name, the images whose top layer it is, or the key that containerd knows its snapshot by. */
  names: string[];
  /** Container ID, a layer's chain ID, or the graph's name for the device. */
  id: string;
  /** The graph's name for the device. */
  device: string;
  /** In the pool. */
  deviceId: number;
  sizeBytes: number;
  mappedBytes: number;
  /** What deleting it alone would free. */
  exclusiveBytes: number;
  mountPoint: string | null;
  blockDevice: string | null;
  /** It goes when its last user lets go. */
  deleted: boolean;
}

/** What is known of a device beside the graph's own record. */
type Known = Pick<ListedDevice, "kind" | "id" | "names">;

/** Every thin device of a graph: base, layers, containers, containerd's snapshots, Docker's devices, then others. */
export async function listDevices(graph: GraphAccess): Promise<ListedDevice[]> {
  const [tree, records] = await Promise.all([graph.store.tree(), graph.devices.devices()]);
  const nodes = new Map(flatten(tree).map((node) => [node.device, node]));
  // What is in the tree has it from there: reckoning it goes through all of the pool's mappings.
  const usage = records.every(({ id }) => nodes.has(id)) ? [] : await graph.devices.usage();
  const used = new Map(usage.map((entry) => [entry.id, entry]));
  const others = new Map([
    ...(await dockersIn(graph.root)),
    ...(await snapshotsIn(graph.root)),
    ...(await receivesIn(graph.root)),
  ]);
  const order = ["base", "layer", "container", "snapshot", "docker", "receiving", "device"];
  return records
    .map((record) => {
      const node = nodes.get(record.id);
      return listed(record, node ?? others.get(record.id), node ?? used.get(record.id));
    })
    .sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || a.deviceId - b.deviceId);
}

/** containerd's snapshots by their devices; what reads them is loaded only where there are any. */
async function snapshotsIn(root: string): Promise<Map<string, Known>> {
  if (!existsSync(join(root, "containerd"))) return new Map();
  const { knownSnapshots } = await import("../containerd/known-snapshots.ts");
  const known = [...knownSnapshots(root).values()];
  return new Map(known.map(({ device, key }) => [device, { kind: "snapshot", id: device, names: [key] }]));
}

/** Docker's devices, of which it alone knows the names. */
async function dockersIn(root: string): Promise<Map<string, Known>> {
  if (!existsSync(join(root, "docker-plugin"))) return new Map();
  const { knownDockerLayers } = await import("../docker-plugin/known-layers.ts");
  return new Map([...knownDockerLayers(root)].map((id) => [id, { kind: "docker", id, names: [] }]));
}

/** Devices of receives that are not complete, which are no containers yet. */
async function receivesIn(root: string): Promise<Map<string, Known>> {
  if (!existsSync(join(root, "transfer"))) return new Map();
  const { pendingReceives } = await import("../transfer/interrupted-receive.ts");
  const known = pendingReceives(root);
  return new Map(known.map(({ device, name }) => [device, { kind: "receiving", id: device, names: [name] }]));
}

function listed(
  record: DeviceRecord,
  node: Known | undefined,
  usage: { mappedBytes: number; exclusiveBytes: number } | undefined,
): ListedDevice {
  return {
    kind: node?.kind ?? (record.id === "base" ? "base" : "device"),
    names: node?.names ?? [],
    id: node?.id ?? record.id,
    device: record.id,
    deviceId: record.deviceId,
    sizeBytes: record.sizeBytes,
    mappedBytes: usage?.mappedBytes ?? 0,
    exclusiveBytes: usage?.exclusiveBytes ?? 0,
    mountPoint: record.mountPoint ?? null,
    blockDevice: record.blockDevice ?? null,
    deleted: record.deleted,
  };
}

function flatten(node: TreeNode): TreeNode[] {
  return [node, ...node.children.flatMap(flatten)];
}
