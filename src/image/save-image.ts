import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { formatTarHeader, TAR_END, tarPadding } from "../layer/format-tar-header.ts";
import {
  blobFolders,
  blobName,
  imageBlobs,
  layoutFiles,
  tarEntry,
  type ArchivedImage,
  type ReferenceNaming,
} from "./archive-format.ts";
import type { Digest } from "./digest.ts";
import { findImage, layersOf, type FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { saveForm, type FileForm } from "./image-form.ts";
import { rebuildLayer } from "./rebuild-layer.ts";
import type { LayerRecord } from "./records.ts";
import { parseReference } from "./reference.ts";
import type { LongOptions } from "./types.ts";
import { writeWhole } from "./write-whole.ts";

/** An image that is to be saved: what is told of it, and what its layers are read from. */
export interface SavedImage {
  found: FoundImage;
  archived: ArchivedImage;
  layers: readonly LayerRecord[];
  /** What an index calls it. */
  naming: ReferenceNaming;
}

/**
 * Writes an image as a tar that is an OCI image layout and a `docker save` archive at once, as Docker 25 and later write it; or,
 * as `oci:`, into a folder. Layers are uncompressed, so that their digests are their diff IDs; each is put together again byte for
 * byte and compared with that digest while it is written.
 *
 * @param target a file, which is there only when it is complete, or one with a form before it; or a stream, which ends in an error
 *   otherwise
 */
export async function saveImage(
  context: ImageContext,
  nameOrId: string,
  target: string | Writable,
  options: LongOptions,
): Promise<void> {
  const form = typeof target === "string" ? saveForm(target) : undefined;
  const image = describe(context, nameOrId, form);
  if (form?.kind === "oci") {
    const { saveLayout } = await import("./save-layout.ts");
    return saveLayout(context, image, form.path, options);
  }
  const archive = Readable.from(archiveOf(context, image), { objectMode: false });
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  await writeWhole(form?.path ?? target, (writable) => pipeline(archive, writable, signal));
}

function describe(context: ImageContext, nameOrId: string, form: FileForm | undefined): SavedImage {
  const found = findImage(context.files, nameOrId);
  const layers = layersOf(context.files, found);
  const own = found.reference === undefined ? [] : [found.reference];
  const renamed =
    form?.kind === "docker-archive" && form.name !== undefined ? parseReference(form.name).text : undefined;
  const exactly = form?.kind === "docker-archive" ? undefined : form?.name;
  return {
    found,
    layers,
    archived: { ...found, references: renamed === undefined ? own : [renamed], layers },
    naming: exactly === undefined ? "tag" : { exactly },
  };
}

async function* archiveOf(
  context: ImageContext,
  { found, archived, layers, naming }: SavedImage,
): AsyncGenerator<Buffer> {
  const mtimeNs = createdAt(found);
  for (const file of layoutFiles([archived], naming)) yield* tarEntry(file, mtimeNs);
  yield* blobFolders(mtimeNs);
  for (const file of imageBlobs(archived)) yield* tarEntry(file, mtimeNs);
  const written = new Set<Digest>();
  for (const layer of layers) {
    if (written.has(layer.diffId)) continue;
    written.add(layer.diffId);
    yield formatTarHeader({ name: blobName(layer.diffId), type: "0", mode: 0o644, sizeBytes: layer.tarBytes, mtimeNs });
    yield* rebuildLayer(context, found, layer);
    yield Buffer.alloc(tarPadding(layer.tarBytes));
  }
  yield TAR_END;
}

function createdAt({ config }: FoundImage): bigint {
  const milliseconds = Date.parse(config.created ?? "");
  return Number.isNaN(milliseconds) || milliseconds < 0 ? 0n : BigInt(Math.floor(milliseconds / 1000)) * 1_000_000_000n;
}
