import { REF_NAME } from "../archive-format.ts";
import { hexOf, verifyDigest, type Digest } from "../digest.ts";
import { parseJson } from "../image-config.ts";
import type { Platform } from "../platform.ts";
import { StoreError } from "../store-error.ts";
import type { ImageSource } from "./image-source.ts";
import {
  imagesFor,
  indexSchema,
  leadsToIndex,
  manifestSchema,
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  MAX_NESTING,
  parseConfigOf,
  type Descriptor,
} from "./manifest.ts";
import { missing, readSmall, type SourceFiles } from "./source-files.ts";

/** Whether a source is an OCI image layout (OCI image-spec, image-layout.md). */
export function isOciLayout(files: SourceFiles): boolean {
  return files.file("oci-layout") !== undefined && files.file("index.json") !== undefined;
}

/**
 * Opens the image in an OCI layout: the only one, the one of this name, the one for this platform.
 *
 * @param wanted.names names to tell images of one layout apart by: annotations of the index
 * @param wanted.exactly the annotation that it must have
 * @throws StoreError naming what is damaged or missing, or what there is to choose from
 */
export async function openOciSource(
  files: SourceFiles,
  wanted: { platform: Platform; names: readonly string[]; exactly: string | undefined },
): Promise<ImageSource> {
  const index = parseJson(
    await readSmall(files, "index.json", MAX_MANIFEST_BYTES),
    indexSchema,
    `index.json of ${files.label}`,
  );
  const offered = wanted.exactly === undefined ? index.manifests : called(files, index.manifests, wanted.exactly);
  const descriptor = await choose(files, offered, wanted, 0);
  const manifestBytes = await readBlob(files, descriptor, MAX_MANIFEST_BYTES);
  const manifest = parseJson(manifestBytes, manifestSchema, `manifest ${descriptor.digest} of ${files.label}`);
  const configBytes = await readBlob(files, manifest.config, MAX_CONFIG_BYTES);
  const parsed = parseConfigOf(manifest, configBytes, files.label);
  return {
    kind: "oci",
    label: files.label,
    config: { bytes: configBytes, parsed },
    manifestDigest: descriptor.digest,
    layers: manifest.layers.map((layer, position) => ({
      digest: layer.digest,
      diffId: parsed.diffIds[position],
      sizeBytes: layer.size,
      repeatable: true,
      open: () => blob(files, layer).open(),
    })),
    close: () => undefined,
  };
}

async function choose(
  files: SourceFiles,
  manifests: Descriptor[],
  wanted: { platform: Platform; names: readonly string[] },
  depth: number,
): Promise<Descriptor> {
  let candidates = imagesFor(manifests, wanted.platform, files.label);
  if (candidates.length > 1) {
    const named = candidates.filter(({ annotations }) => wanted.names.includes(annotations?.[REF_NAME] ?? ""));
    if (named.length > 0) candidates = named;
    else if (depth === 0 && candidates.every(({ platform }) => platform == null)) throw ambiguous(files, candidates);
  }
  const chosen = candidates[0];
  if (!leadsToIndex(chosen)) return chosen;
  if (depth >= MAX_NESTING)
    throw new StoreError("damaged", `Cannot import ${files.label}: indexes are nested too deep`);
  const bytes = await readBlob(files, chosen, MAX_MANIFEST_BYTES);
  const index = parseJson(bytes, indexSchema, `index ${chosen.digest} of ${files.label}`);
  return choose(files, index.manifests, wanted, depth + 1);
}

function called(files: SourceFiles, manifests: readonly Descriptor[], name: string): Descriptor[] {
  const named = manifests.filter(({ annotations }) => annotations?.[REF_NAME] === name);
  if (named.length > 0) return named;
  const offered = manifests.map(({ annotations, digest }) => annotations?.[REF_NAME] ?? digest).join(", ");
  throw new StoreError("not-found", `Cannot import ${files.label}: there is no ${name} in it, only ${offered}`);
}

function ambiguous(files: SourceFiles, candidates: Descriptor[]): StoreError {
  const names = candidates.map(({ annotations, digest }) => annotations?.[REF_NAME] ?? digest).join(", ");
  return new StoreError(
    "ambiguous",
    `Cannot import ${files.label}: it holds several images (${names}). Import it under the name of one of them, ` +
      "or copy that one out first",
  );
}

function blobName(digest: Digest): string {
  return `blobs/${digest.slice(0, digest.indexOf(":"))}/${hexOf(digest)}`;
}

function blob(files: SourceFiles, descriptor: Descriptor): NonNullable<ReturnType<SourceFiles["file"]>> {
  const file = files.file(blobName(descriptor.digest));
  if (file === undefined) throw missing(files, blobName(descriptor.digest));
  if (file.sizeBytes !== descriptor.size) {
    throw new StoreError(
      "damaged",
      `Cannot use ${descriptor.digest} of ${files.label}: it should have ${descriptor.size} bytes and has ${file.sizeBytes}`,
    );
  }
  return file;
}

async function readBlob(files: SourceFiles, descriptor: Descriptor, maxBytes: number): Promise<Buffer> {
  blob(files, descriptor);
  const bytes = await readSmall(files, blobName(descriptor.digest), maxBytes);
  verifyDigest(bytes, descriptor.digest, `${descriptor.digest} of ${files.label}`);
  return bytes;
}
