import { findDockerCredentials } from "../registry/credentials/docker-credentials.ts";
import { registryPlace } from "../registry/places.ts";
import { PushRepository } from "../registry/push-repository.ts";
import type { Digest } from "./digest.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import { registryReference } from "./image-form.ts";
import type { ImageContext } from "./image-context.ts";
import { pushLayer, type PushedLayer } from "./push-layer.ts";
import { imageManifest, manifestFormats, type ManifestFormat } from "./push-manifest.ts";
import type { LayerRecord } from "./records.ts";
import { locationOf, parseReference, type ImageReference } from "./reference.ts";
import { StoreError } from "./store-error.ts";
import type { PushedImage, PushOptions } from "./types.ts";

/** Layers under way at once. */
const PARALLEL = 3;

/** Sends an image to a registry: of its layers those that are not there, its configuration, and last the manifest that names it. */
export async function pushImage(
  context: ImageContext,
  nameOrId: string,
  to: string | undefined,
  options: PushOptions,
): Promise<PushedImage> {
  const image = findImage(context.files, nameOrId);
  const reference = targetReference(image, to);
  const { registry, path } = locationOf(reference);
  const { registries = {}, credentials = findDockerCredentials(), patience, signal, format = "oci" } = options;
  const repository = new PushRepository(path, registryPlace(registry, registries, options.insecure ?? false), {
    credentials,
    ...(patience !== undefined && { patience }),
  });
  try {
    const layers = await pushLayers(context, image, { repository, registry, path, format }, options);
    const config = { digest: image.id, sizeBytes: image.configBytes.length };
    if (!(await repository.has(config, signal))) await repository.upload(config, () => image.configBytes, signal);
    const manifest = imageManifest(format, config, layers);
    const digest = await repository.putManifest(reference.tag!, manifest, signal);
    await noteDigest(context, image, `${reference.repository}@${digest}`);
    return { id: image.id, name: reference.text, digest };
  } finally {
    await repository.close();
  }
}

function targetReference({ reference, id }: FoundImage, to: string | undefined): ImageReference {
  const name = to === undefined ? reference : registryReference(to, "push to");
  if (name === undefined) {
    throw new StoreError("invalid", `Cannot push image ${id} by its ID alone: say where, such as host:5000/team/app:1`);
  }
  const target = parseReference(name);
  if (target.digest === undefined) return target;
  throw new StoreError("invalid", `Cannot push to '${name}': a digest follows from what is pushed. Name a tag`);
}

interface Target {
  repository: PushRepository;
  registry: string;
  path: string;
  format: ManifestFormat;
}

async function pushLayers(
  context: ImageContext,
  image: FoundImage,
  { format, ...target }: Target,
  { progress, signal }: PushOptions,
): Promise<PushedLayer[]> {
  const layers = layersOf(context.files, image);
  const { mediaTypes } = manifestFormats[format];
  const allowed = (["gzip", "zstd", "none"] as const).filter((compression) => compression in mediaTypes);
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const push = async (layer: LayerRecord, position: number): Promise<PushedLayer> => {
    const at = { layer: position + 1, layers: layers.length };
    const pushed = await pushLayer(context, image, layer, {
      ...target,
      allowed,
      signal: stop,
      packed: (bytes) => progress?.({ kind: "pack", ...at, digest: layer.diffId, bytes, totalBytes: layer.tarBytes }),
      sent: ({ digest, sizeBytes }, bytes) =>
        progress?.({ kind: "upload", ...at, digest, bytes, totalBytes: sizeBytes }),
    });
    const { digest, sizeBytes, compression, how } = pushed;
    const { registry, path } = target;
    const mediaType = mediaTypes[compression]!;
    await context.locks.records(() =>
      context.files.addLayerBlob(layer.chainId, { digest, sizeBytes, mediaType, registry, path }),
    );
    progress?.({ kind: "layer-done", ...at, digest, how });
    return pushed;
  };
  const byDiffId = new Map<Digest, Promise<PushedLayer>>();
  const waiting = [...layers.entries()].filter(([, { diffId }], index, all) => {
    return all.findIndex(([, other]) => other.diffId === diffId) === index; // one that comes twice is sent once
  });
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [position, layer] = next;
      const pushing = push(layer, position);
      byDiffId.set(layer.diffId, pushing);
      await pushing;
    }
  };
  // With the first failure the others end, in errors that only say so.
  await Promise.all(Array.from({ length: PARALLEL }, () => worker().catch((error: unknown) => failed.abort(error))));
  signal?.throwIfAborted();
  failed.signal.throwIfAborted();
  return Promise.all(layers.map(({ diffId }) => byDiffId.get(diffId)!));
}

/** As for images that were pulled: it goes by its digest there, too. */
async function noteDigest({ files, locks }: ImageContext, { id }: FoundImage, reference: string): Promise<void> {
  await locks.records(() => {
    if (files.imageConfig(id) !== undefined) files.writeReferences({ ...files.references(), [reference]: id });
  });
}
