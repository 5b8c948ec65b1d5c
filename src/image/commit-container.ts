import { addLayer } from "./add-layer.ts";
import { chainId, sha256, type Digest } from "./digest.ts";
import { findContainer } from "./find-container.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { withMountedPair } from "./mounted-pair.ts";
import { recordPacked } from "./record-packed.ts";
import { parseReference } from "./reference.ts";
import { registerImage } from "./register-image.ts";
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
  const { devices, files } = context;
  const reference = parseReference(name);
  const { id: containerDevice, name: containerName, imageId } = findContainer(files, container);
  const image = findImage(files, imageId);
  const below = layersOf(files, image);
  const parent = below.at(-1);
  const layer = await addLayer(context, async (device, tarRecord) => {
    await devices.create(device, containerDevice);
    const packed = await withMountedPair(devices, device, parent?.device, (root, parentRoot) =>
      recordPacked(root, parentRoot, tarRecord, options.signal),
    );
    return {
      ...packed,
      chainId: chainId(parent?.chainId, packed.diffId),
      ...(parent !== undefined && { parent: parent.chainId }),
    };
  });
  const config = committedConfig(image, layer.diffId, containerName);
  return registerImage(context, {
    id: sha256(config),
    config,
    layers: [...below, layer].map((each) => each.chainId),
    reference,
    manifestDigest: undefined,
  });
}

/** What Docker notes of the container that an image was built in; it is not true of this one. */
const aboutABuild: ReadonlySet<string> = new Set(["container", "container_config", "id", "parent"]);

function committedConfig({ config }: FoundImage, diffId: Digest, containerName: string): Buffer {
  const created = new Date().toISOString();
  const history = Array.isArray(config.raw.history) ? (config.raw.history as unknown[]) : [];
  const kept = Object.entries(config.raw).filter(([key]) => !aboutABuild.has(key));
  return Buffer.from(
    JSON.stringify({
      ...Object.fromEntries(kept),
      created,
      rootfs: { type: "layers", diff_ids: [...config.diffIds, diffId] },
      history: [...history, { created, created_by: "mica commit", comment: `container ${containerName}` }],
    }),
  );
}
