import type { Readable } from "node:stream";
import { applyLayer, type AppliedLayer } from "../layer/apply.ts";
import { LayerError } from "../layer/layer-error.ts";
import { addLayer } from "./add-layer.ts";
import { chainId, sha256, type Digest } from "./digest.ts";
import type { FileForm } from "./image-form.ts";
import type { ImageContext } from "./image-context.ts";
import { hostPlatform, parsePlatform } from "./platform.ts";
import type { LayerRecord } from "./records.ts";
import { parseReference, type ImageReference } from "./reference.ts";
import { registerImage } from "./register-image.ts";
import type { ImageSource, SourceLayer } from "./source/image-source.ts";
import { openSource } from "./source/open-source.ts";
import { StoreError } from "./store-error.ts";
import type { ImportOptions } from "./types.ts";

/** Brings an image into the store: its layers that are not there yet, its configuration, its name. */
export async function importImage(
  context: ImageContext,
  name: string,
  source: string | FileForm,
  options: ImportOptions,
): Promise<{ id: Digest }> {
  const reference = parseReference(name);
  const image = await openSource(source, {
    reference,
    platform: options.platform === undefined ? hostPlatform() : parsePlatform(options.platform),
    stdin: (options.stdin ?? process.stdin) as Readable,
    temporaryFolder: context.files.temporaryFolder,
    signal: options.signal,
  });
  return importFrom(context, image, reference, options);
}

/** Brings an image in from a source that is open, and closes that. */
export async function importFrom(
  context: ImageContext,
  image: ImageSource,
  reference: ImageReference,
  options: Pick<ImportOptions, "progress" | "signal">,
): Promise<{ id: Digest }> {
  try {
    options.progress?.({ kind: "source", source: image.kind, layers: image.layers.length });
    const stack: LayerRecord[] = [];
    for (const layer of image.layers) {
      options.signal?.throwIfAborted();
      stack.push(await importLayer(context, image, layer, stack, options));
    }
    return await recordImage(context, image, reference, stack);
  } finally {
    await image.close();
  }
}

async function importLayer(
  context: ImageContext,
  image: ImageSource,
  layer: SourceLayer,
  below: readonly LayerRecord[],
  options: Pick<ImportOptions, "progress" | "signal">,
): Promise<LayerRecord> {
  const { files, locks } = context;
  const parent = below.at(-1);
  const position = below.length + 1;
  const done = (record: LayerRecord, shared: boolean): LayerRecord => {
    if (shared) layer.skip?.();
    options.progress?.({
      kind: "layer-done",
      layer: position,
      layers: image.layers.length,
      chainId: record.chainId,
      shared,
      contentBytes: record.contentBytes,
    });
    return record;
  };
  if (layer.diffId === undefined) return done(await makeLayer(context, image, layer, position, parent, options), false);
  const chain = chainId(parent?.chainId, layer.diffId);
  const existing = files.layer(chain);
  if (existing !== undefined) return done(existing, true);
  return locks.chain(chain, options.signal, async () => {
    const madeMeanwhile = files.layer(chain);
    if (madeMeanwhile !== undefined) return done(madeMeanwhile, true);
    return done(await makeLayer(context, image, layer, position, parent, options), false);
  });
}

async function makeLayer(
  context: ImageContext,
  image: ImageSource,
  layer: SourceLayer,
  position: number,
  parent: LayerRecord | undefined,
  options: Pick<ImportOptions, "progress" | "signal">,
): Promise<LayerRecord> {
  const where = `layer ${position} of ${image.layers.length} of ${image.label}`;
  return addLayer(context, async (device, tarRecord) => {
    const applied = await fillDevice(context, layer, parent, device, async (rootfs, verbatim) =>
      naming(where, () =>
        applyLayer(layer.open(), rootfs, {
          recordTo: tarRecord,
          recordVerbatim: verbatim,
          signal: options.signal,
          onProgress: (bytes) =>
            options.progress?.({
              kind: "layer",
              layer: position,
              layers: image.layers.length,
              digest: layer.digest ?? layer.diffId ?? "",
              bytes,
              totalBytes: layer.sizeBytes,
            }),
        }),
      ),
    );
    verify(image, layer, applied, where);
    return {
      chainId: chainId(parent?.chainId, applied.diffId),
      diffId: applied.diffId,
      ...(parent !== undefined && { parent: parent.chainId }),
      tarBytes: applied.tarBytes,
      contentBytes: applied.contentBytes,
    };
  });
}

/** Makes the device and has it filled. */
async function fillDevice(
  { devices }: ImageContext,
  layer: SourceLayer,
  parent: LayerRecord | undefined,
  device: string,
  fill: (rootfs: Promise<string>, verbatim: boolean) => Promise<AppliedLayer>,
): Promise<AppliedLayer> {
  const once = async (verbatim: boolean): Promise<AppliedLayer> => {
    const mounting = devices.create(device, parent?.device).then(() => devices.get(device));
    const mounted = mounting.then(
      () => true,
      () => false,
    );
    try {
      return await fill(mounting, verbatim);
    } finally {
      if (await mounted) await devices.put(device);
    }
  };
  const applied = await once(false);
  // A name that came twice: of the first file nothing is left to rebuild the tar from, so its content is to be recorded.
  if (!applied.duplicates || !layer.repeatable) return applied;
  await devices.remove(device);
  return once(true);
}

function verify(image: ImageSource, layer: SourceLayer, applied: AppliedLayer, where: string): void {
  if (layer.digest?.startsWith("sha256:") === true && layer.digest !== applied.blobDigest) {
    throw new StoreError(
      "damaged",
      `Cannot import ${where}: its blob should have digest ${layer.digest} and has ${applied.blobDigest}`,
    );
  }
  if (layer.diffId !== undefined && layer.diffId !== applied.diffId) {
    throw new StoreError(
      "damaged",
      `Cannot import ${where}: its tar should have digest ${layer.diffId} and has ${applied.diffId}`,
    );
  }
  if (image.kind === "rootfs" && !applied.ended) {
    throw new StoreError("damaged", `Cannot import ${image.label}: the tar has no end mark, so it may be cut short`);
  }
}

/** Says of which layer an error is; the entry is in its message. */
async function naming<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof LayerError)) throw cause;
    throw new StoreError("damaged", `Cannot import ${where}: ${cause.message}`, { cause });
  }
}

async function recordImage(
  context: ImageContext,
  image: ImageSource,
  reference: ImageReference,
  stack: readonly LayerRecord[],
): Promise<{ id: Digest }> {
  const bytes = image.config?.bytes ?? rootfsConfig(stack.map(({ diffId }) => diffId));
  return registerImage(context, {
    id: sha256(bytes),
    config: bytes,
    layers: stack.map(({ chainId }) => chainId),
    reference,
    manifestDigest: image.manifestDigest,
  });
}

/** A configuration for a bare root file system. */
function rootfsConfig(diffIds: readonly Digest[]): Buffer {
  const { os, architecture } = hostPlatform();
  const created = new Date().toISOString();
  return Buffer.from(
    JSON.stringify({
      created,
      architecture,
      os,
      config: {},
      rootfs: { type: "layers", diff_ids: diffIds },
      history: [{ created, created_by: "mica import", comment: "imported from a tar" }],
    }),
  );
}
