import { createHash } from "node:crypto";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import { formatTarHeader, TAR_END, tarPadding } from "../layer/format-tar-header.ts";
import { rebuildTar } from "../layer/rebuild-tar.ts";
import { blobFolders, blobName, imageBlobs, layoutFiles, tarEntry, type ArchivedImage } from "./archive-format.ts";
import type { Digest } from "./digest.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import type { LayerRecord } from "./records.ts";
import { StoreError } from "./store-error.ts";
import type { LongOptions } from "./types.ts";

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
  const archived: ArchivedImage = {
    ...image,
    references: image.reference === undefined ? [] : [image.reference],
    layers,
  };
  const mtimeNs = createdAt(image);
  for (const file of layoutFiles([archived], "tag")) yield* tarEntry(file, mtimeNs);
  yield* blobFolders(mtimeNs);
  for (const file of imageBlobs(archived)) yield* tarEntry(file, mtimeNs);
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

function createdAt({ config }: FoundImage): bigint {
  const milliseconds = Date.parse(config.created ?? "");
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0n : BigInt(Math.floor(milliseconds / 1000)) * 1_000_000_000n;
}
