import { applyLayer } from "../layer/apply.ts";
import { packDiff } from "../layer/pack.ts";
import { addLayer } from "./add-layer.ts";
import { chainId, sha256, type Digest } from "./digest.ts";
import { findContainer } from "./find-container.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { withMountedPair } from "./mounted-pair.ts";
import type { ContainerRecord, LayerRecord } from "./records.ts";
import { recordPacked, type PackedLayer } from "./record-packed.ts";
import { parseReference } from "./reference.ts";
import { registerImage } from "./register-image.ts";
import { withTemporarySnapshot } from "./temporary-snapshot.ts";
import type { LongOptions } from "./types.ts";

/**
 * Makes an image of a container as it is: its image's layers and one more, which is a snapshot of the container's device, so
 * nothing is copied. A mounted container goes on; the snapshot holds what it had written when it was taken.
 */
export async function commitContainer(
  context: ImageContext,
  container: string,
  name: string,
  options: LongOptions,
): Promise<{ id: Digest }> {
  const { files } = context;
  const reference = parseReference(name);
  const record = findContainer(files, container);
  const image = findImage(files, record.imageId);
  const below = layersOf(files, image);
  const parent = below.at(-1);
  const layer = await addLayer(context, async (device, tarRecord) => {
    const fill = record.below === undefined ? snapshot : repack;
    const packed = await fill(context, { record, parent, device, tarRecord, signal: options.signal });
    return {
      ...packed,
      chainId: chainId(parent?.chainId, packed.diffId),
      ...(parent !== undefined && { parent: parent.chainId }),
    };
  });
  const config = committedConfig(image, layer.diffId, record);
  return registerImage(context, {
    id: sha256(config),
    config,
    layers: [...below, layer].map((each) => each.chainId),
    reference,
    manifestDigest: undefined,
  });
}

/** What a new layer is made from, and where. */
interface LayerPlan {
  record: ContainerRecord;
  parent: LayerRecord | undefined;
  device: string;
  tarRecord: string;
  signal: AbortSignal | undefined;
}

/** The layer is a snapshot of the container. */
async function snapshot(
  { devices }: ImageContext,
  { record, parent, device, tarRecord, signal }: LayerPlan,
): Promise<PackedLayer> {
  await devices.create(device, record.device);
  return withMountedPair(devices, device, parent?.device, (root, parentRoot) =>
    recordPacked(root, parentRoot, tarRecord, signal),
  );
}

/** Of a container that did not begin as its image, only what it changed since is the layer. */
async function repack(
  context: ImageContext,
  { record, parent, device, tarRecord, signal }: LayerPlan,
): Promise<PackedLayer> {
  const { devices } = context;
  await devices.create(device, parent?.device);
  const mounting = devices.get(device);
  const pack = (from: string): Promise<PackedLayer> =>
    withMountedPair(devices, from, record.below, (root, parentRoot) =>
      applyLayer(packDiff(root, parentRoot), mounting, { recordTo: tarRecord, signal }),
    );
  try {
    return await (record.snapshot === undefined
      ? pack(record.device)
      : withTemporarySnapshot(context, record.device, pack));
  } finally {
    await mounting.then(() => devices.put(device));
  }
}

/** What Docker notes of the container that an image was built in; it is not true of this one. */
const aboutABuild: ReadonlySet<string> = new Set(["container", "container_config", "id", "parent"]);

function committedConfig({ config }: FoundImage, diffId: Digest, record: ContainerRecord): Buffer {
  const created = new Date().toISOString();
  const history = Array.isArray(config.raw.history) ? (config.raw.history as unknown[]) : [];
  const kept = Object.entries(config.raw).filter(([key]) => !aboutABuild.has(key));
  return Buffer.from(
    JSON.stringify({
      ...Object.fromEntries(kept),
      ...(record.config !== undefined && { config: record.config }),
      created,
      rootfs: { type: "layers", diff_ids: [...config.diffIds, diffId] },
      history: [...history, { created, created_by: "mica commit", comment: `container ${record.name}` }],
    }),
  );
}
