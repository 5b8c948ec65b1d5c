import { findDockerCredentials } from "../registry/credentials/docker-credentials.ts";
import { mirrorPlaces, registryPlace } from "../registry/places.ts";
import { Repository } from "../registry/repository.ts";
import { registryReference } from "./image-form.ts";
import type { ImageContext } from "./image-context.ts";
import { importFrom } from "./import-image.ts";
import { hostPlatform, parsePlatform } from "./platform.ts";
import { locationOf, parseReference, type ImageReference } from "./reference.ts";
import { openRegistrySource } from "./source/registry-source.ts";
import type { PulledImage, PullOptions } from "./types.ts";

/** Brings an image in from a registry. Layers that are there already are not downloaded; the others are unpacked while they come. */
export async function pullImage(context: ImageContext, name: string, options: PullOptions): Promise<PulledImage> {
  const { files, locks } = context;
  const reference = parseReference(registryReference(name, "pull"));
  const local = options.name === undefined ? withoutBoth(reference) : parseReference(options.name);
  const { registry, path } = locationOf(reference);
  const platform = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  const { registries = {}, credentials = findDockerCredentials(), patience } = options;
  const places = [
    ...mirrorPlaces(registry, registries),
    registryPlace(registry, registries, options.insecure ?? false),
  ];
  const source = await openRegistrySource(
    new Repository(path, places, { credentials, ...(patience !== undefined && { patience }) }),
    {
      reference: reference.digest ?? reference.tag!,
      label: reference.text,
      platform,
      has: (chain) => files.layer(chain) !== undefined,
      temporaryFolder: files.temporaryFolder,
      downloaded: (at, { digest, sizeBytes }, bytes) =>
        options.progress?.({ kind: "download", ...at, digest, bytes, totalBytes: sizeBytes }),
      signal: options.signal,
    },
  );
  const brought: { layer: number; chainId: string }[] = [];
  const { id } = await importFrom(context, source, local, {
    signal: options.signal,
    progress: (event) => {
      if (event.kind === "layer-done" && !event.shared) brought.push(event);
      options.progress?.(event);
    },
  });
  // Only of what came and was found to be that: a manifest may say what it likes of layers that are here already.
  await locks.records(() => {
    for (const { layer, chainId } of brought) {
      files.addLayerBlob(chainId, { ...source.blobs[layer - 1], registry, path });
    }
  });
  return { id, name: local.text, digest: source.digest };
}

/** With a digest, the tag says nothing: as for Docker. */
function withoutBoth(reference: ImageReference): ImageReference {
  const { repository, digest } = reference;
  return digest === undefined ? reference : { repository, tag: undefined, digest, text: `${repository}@${digest}` };
}
