import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { formatTarHeader, TAR_END, tarPadding } from "../layer/format-tar-header.ts";
import { blobFolders, blobName, imageBlobs, layoutFiles, tarEntry, type ArchivedImage } from "./archive-format.ts";
import type { Digest } from "./digest.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { rebuildLayer } from "./rebuild-layer.ts";
import type { LayerRecord } from "./records.ts";
import type { LongOptions } from "./types.ts";
import { writeWhole } from "./write-whole.ts";

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
  await writeWhole(target, (to) => pipeline(archive, to, signal));
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
    yield* rebuildLayer(context, image, layer);
    yield Buffer.alloc(tarPadding(layer.tarBytes));
  }
  yield TAR_END;
}

function createdAt({ config }: FoundImage): bigint {
  const milliseconds = Date.parse(config.created ?? "");
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0n : BigInt(Math.floor(milliseconds / 1000)) * 1_000_000_000n;
}
