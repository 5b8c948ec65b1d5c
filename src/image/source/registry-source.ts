import type { BlobDescriptor } from "../../registry/blob-download.ts";
import { DownloadQueue } from "../../registry/download-queue.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../../registry/media-types.ts";
import type { FetchedManifest, Repository } from "../../registry/repository.ts";
import { chainIds, sha256, type Digest } from "../digest.ts";
import { parseJson, type ImageConfig } from "../image-config.ts";
import type { Platform } from "../platform.ts";
import { StoreError } from "../store-error.ts";
import type { ImageSource } from "./image-source.ts";
import {
  imagesFor,
  indexSchema,
  leadsToIndex,
  manifestSchema,
  MAX_CONFIG_BYTES,
  MAX_NESTING,
  parseConfigOf,
  type Descriptor,
  type Manifest,
} from "./manifest.ts";

/** Downloads at once, as Docker does. */
const PARALLEL = 3;
/** What is downloaded before its turn to be unpacked. */
const SPOOL_BYTES = 512 << 20;

const CONFIG_TYPES = ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/** What `openRegistrySource` needs to know. */
export interface RegistrySourceOptions {
  /** A tag or a digest. */
  reference: string;
  /** How to name the image in messages. */
  label: string;
  platform: Platform;
  /** Whether a layer is there already, by its chain ID: it is not downloaded. */
  has: (chainId: Digest) => boolean;
  temporaryFolder: string;
  /** Bytes of a layer that came from the network; the first layer is 1. */
  downloaded: (at: { layer: number; layers: number }, blob: BlobDescriptor, bytes: number) => void;
  signal: AbortSignal | undefined;
}

/** An image of a registry. */
export interface RegistrySource extends ImageSource {
  /** Digest of what the reference named: a manifest, or an index. */
  digest: Digest;
  /** Bottom first. */
  blobs: (BlobDescriptor & { mediaType: string })[];
}

/**
 * Opens an image of a registry: by its manifest, or the one for a platform that an index leads to. Its layers begin to be downloaded.
 *
 * @param repository is closed with the source
 * @throws RegistryError, StoreError
 */
export async function openRegistrySource(
  repository: Repository,
  options: RegistrySourceOptions,
): Promise<RegistrySource> {
  const { label, signal } = options;
  try {
    const top = await repository.manifest(options.reference, signal);
    const fetched = await manifestFor(repository, top, options, 0);
    const manifest = readManifest(fetched, label);
    const config = blobOf(manifest.config);
    const bytes = await repository.smallBlob(config, MAX_CONFIG_BYTES, signal);
    if (sha256(bytes) !== config.digest) {
      throw new StoreError("invalid", `Cannot import ${label}: its configuration is not named by a sha256 digest`);
    }
    return sourceOf(repository, { top, manifest, bytes, parsed: parseConfigOf(manifest, bytes, label) }, options);
  } catch (error) {
    await repository.close();
    throw error;
  }
}

async function manifestFor(
  repository: Repository,
  fetched: FetchedManifest,
  options: RegistrySourceOptions,
  depth: number,
): Promise<FetchedManifest> {
  const { label, platform, signal } = options;
  if (!isIndex(fetched)) return fetched;
  if (depth >= MAX_NESTING) throw new StoreError("damaged", `Cannot import ${label}: indexes are nested too deep`);
  const index = parseJson(fetched.bytes, indexSchema, `index ${fetched.digest} of ${label}`);
  const chosen = imagesFor(index.manifests, platform, label)[0];
  const next = await repository.manifest(chosen.digest, signal);
  if (next.bytes.length !== chosen.size) {
    throw new StoreError(
      "damaged",
      `Cannot use ${chosen.digest} of ${label}: it should have ${chosen.size} bytes and has ${next.bytes.length}`,
    );
  }
  // What an index says its entries are goes before what a registry calls them.
  return manifestFor(repository, { ...next, mediaType: chosen.mediaType ?? next.mediaType }, options, depth + 1);
}

/** Where nothing says what it is, what is in it does. */
function isIndex({ bytes, mediaType }: FetchedManifest): boolean {
  if (mediaType !== undefined && [...INDEX_TYPES, ...MANIFEST_TYPES].includes(mediaType)) {
    return leadsToIndex({ mediaType, digest: "", size: 0 });
  }
  return /"manifests"\s*:/.test(bytes.toString("utf8"));
}

function readManifest({ bytes, digest, mediaType }: FetchedManifest, label: string): Manifest {
  const manifest = parseJson(bytes, manifestSchema, `manifest ${digest} of ${label}`);
  // One that passes for an index too would be another image to another reader (CVE-2021-41190).
  const called = MANIFEST_TYPES.includes(mediaType ?? "") ? mediaType : undefined;
  const ambiguous = called !== undefined && manifest.mediaType != null && manifest.mediaType !== called;
  if (ambiguous || "manifests" in manifest) {
    throw new StoreError(
      "damaged",
      `Cannot use manifest ${digest} of ${label}: it is not clear whether it is a manifest or an index`,
    );
  }
  const { mediaType: configType } = manifest.config;
  if (configType != null && !CONFIG_TYPES.includes(configType)) {
    throw new StoreError(
      "invalid",
      `Cannot import ${label}: it is not a container's image but an artifact (${configType})`,
    );
  }
  return manifest;
}

interface OpenedImage {
  top: FetchedManifest;
  manifest: Manifest;
  bytes: Buffer;
  parsed: ImageConfig;
}

function sourceOf(
  repository: Repository,
  { top, manifest, bytes, parsed }: OpenedImage,
  { label, has, temporaryFolder, downloaded, signal }: RegistrySourceOptions,
): RegistrySource {
  const blobs = manifest.layers.map((layer) => ({ ...blobOf(layer), mediaType: layer.mediaType ?? "" }));
  const chain = chainIds(parsed.diffIds);
  const missing = chain.findIndex((id) => !has(id));
  const download = async function* (index: number, stop: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
    let received = 0;
    const signals = signal === undefined ? stop : AbortSignal.any([signal, stop]);
    for await (const chunk of repository.blob(blobs[index], signals)) {
      received += chunk.length;
      downloaded({ layer: index + 1, layers: blobs.length }, blobs[index], received);
      yield chunk;
    }
  };
  const queue = new DownloadQueue(
    blobs.map((_, index) => (stop: AbortSignal) => download(index, stop)),
    missing < 0 ? blobs.length : missing,
    { folder: temporaryFolder, parallel: PARALLEL, spoolBytes: SPOOL_BYTES },
  );
  return {
    kind: "registry",
    label,
    config: { bytes, parsed },
    manifestDigest: top.digest,
    digest: top.digest,
    blobs,
    layers: blobs.map(({ digest, sizeBytes }, index) => ({
      digest,
      diffId: parsed.diffIds[index],
      sizeBytes,
      repeatable: true,
      open: () => queue.read(index),
      skip: () => void queue.drop(index),
    })),
    close: async () => {
      await queue.close();
      await repository.close();
    },
  };
}

function blobOf({ digest, size }: Descriptor): BlobDescriptor {
  return { digest, sizeBytes: size };
}
