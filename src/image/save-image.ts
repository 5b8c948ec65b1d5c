import { createHash } from "node:crypto";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import { formatTarHeader, TAR_END, tarPadding } from "../layer/format-tar-header.ts";
import { rebuildTar } from "../layer/rebuild-tar.ts";
import { hexOf, sha256, type Digest } from "./digest.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { parseReference } from "./reference.ts";
import type { LayerRecord } from "./records.ts";
import { StoreError } from "./store-error.ts";
import type { LongOptions } from "./types.ts";

const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

/**
 * Writes an image as a tar that is an OCI image layout and a `docker save` archive at once, as Docker 25 and later write it.
 * Layers are uncompressed, so that their digests are their diff IDs; each is put together again byte for byte and compared with
 * that digest while it is written.
 *
 * @param target a file, which is there only when it is complete, or a stream, which ends in an error otherwise
 */
export async function saveImage(
  context: ImageContext,
  nameOrId: string,
  target: string | Writable,
  options: LongOptions,
): Promise<void> {
  const image = findImage(context.files, nameOrId);
  const layers = layersOf(context.files, image);
  const archive = Readable.from(archiveOf(context, image, layers), { objectMode: false });
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  if (typeof target !== "string") return pipeline(archive, target, signal);
  const partial = `${target}.partial-${process.pid}`;
  try {
    await pipeline(archive, createWriteStream(partial, { flush: true, flags: "wx" }), signal);
    renameSync(partial, target);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

async function* archiveOf(
  context: ImageContext,
  image: FoundImage,
  layers: readonly LayerRecord[],
): AsyncGenerator<Buffer> {
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: image.id, size: image.configBytes.length },
    layers: layers.map(({ diffId, tarBytes }) => ({ mediaType: LAYER_TYPE, digest: diffId, size: tarBytes })),
  });
  const mtimeNs = createdAt(image);
  const file = (name: string, bytes: Buffer): Buffer[] => [
    formatTarHeader({ name, type: "0", mode: 0o644, sizeBytes: bytes.length, mtimeNs }),
    bytes,
    Buffer.alloc(tarPadding(bytes.length)),
  ];
  const folder = (name: string): Buffer => formatTarHeader({ name, type: "5", mode: 0o755, mtimeNs });
  yield* file("oci-layout", json({ imageLayoutVersion: "1.0.0" }));
  yield* file("index.json", indexJson(image, manifest));
  yield* file("manifest.json", dockerManifest(image, layers));
  yield folder("blobs/");
  yield folder("blobs/sha256/");
  yield* file(blobName(sha256(manifest)), manifest);
  yield* file(blobName(image.id), image.configBytes);
  const written = new Set<Digest>();
  for (const layer of layers) {
    if (written.has(layer.diffId)) continue;
    written.add(layer.diffId);
    yield formatTarHeader({ name: blobName(layer.diffId), type: "0", mode: 0o644, sizeBytes: layer.tarBytes, mtimeNs });
    yield* layerTar(context, image, layer);
    yield Buffer.alloc(tarPadding(layer.tarBytes));
  }
  yield TAR_END;
}

async function* layerTar(context: ImageContext, image: FoundImage, layer: LayerRecord): AsyncGenerator<Buffer> {
  const { devices, files } = context;
  const path = await devices.get(layer.device, { readOnly: true });
  try {
    const root = MountedFolder.top(path);
    try {
      yield* checkedTar(rebuildTar(files.layerTarRecord(layer.chainId), root), image, layer);
    } finally {
      root.close();
    }
  } finally {
    await devices.put(layer.device);
  }
}

async function* checkedTar(tar: AsyncIterable<Buffer>, image: FoundImage, layer: LayerRecord): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of tar) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest("hex")}` === layer.diffId) return;
  throw new StoreError(
    "damaged",
    `Cannot save image ${image.reference ?? image.id}: the files of layer ${layer.diffId} are not as they were; ` +
      "import the image again",
  );
}

function indexJson(image: FoundImage, manifest: Buffer): Buffer {
  const { architecture, os, variant } = image.config;
  const tag = tagOf(image);
  return json({
    schemaVersion: 2,
    mediaType: INDEX_TYPE,
    manifests: [
      {
        mediaType: MANIFEST_TYPE,
        digest: sha256(manifest),
        size: manifest.length,
        ...(architecture !== undefined && os !== undefined && { platform: { architecture, os, variant } }),
        ...(tag !== undefined && {
          annotations: {
            "io.containerd.image.name": fullName(tag.repository, tag.tag),
            "org.opencontainers.image.ref.name": tag.tag,
          },
        }),
      },
    ],
  });
}

function dockerManifest(image: FoundImage, layers: readonly LayerRecord[]): Buffer {
  const tag = tagOf(image);
  return json([
    {
      Config: blobName(image.id),
      RepoTags: tag === undefined ? null : [`${tag.repository}:${tag.tag}`],
      Layers: layers.map(({ diffId }) => blobName(diffId)),
    },
  ]);
}

function tagOf(image: FoundImage): { repository: string; tag: string } | undefined {
  if (image.reference === undefined) return undefined;
  const { repository, tag } = parseReference(image.reference);
  return tag === undefined ? undefined : { repository, tag };
}

/** As containerd names images: with the registry, also Docker's own. */
function fullName(repository: string, tag: string): string {
  const parts = repository.split("/");
  const hasHost = parts.length > 1 && (/[.:]/.test(parts[0]) || parts[0] === "localhost");
  if (hasHost) return `${repository}:${tag}`;
  return `docker.io/${parts.length === 1 ? "library/" : ""}${repository}:${tag}`;
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function createdAt({ config }: FoundImage): bigint {
  const milliseconds = Date.parse(config.created ?? "");
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0n : BigInt(Math.floor(milliseconds / 1000)) * 1_000_000_000n;
}
