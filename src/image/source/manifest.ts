import * as v from "valibot";
import { INDEX_TYPES, MANIFEST_TYPES } from "../../registry/media-types.ts";
import { isDigest } from "../digest.ts";
import { parseImageConfig, type ImageConfig } from "../image-config.ts";
import { formatPlatform, platformMatches, type Platform } from "../platform.ts";
import { StoreError } from "../store-error.ts";

/** What registries accept at most of a manifest or an index; a configuration may be larger. */
export const MAX_MANIFEST_BYTES = 4 << 20;
export const MAX_CONFIG_BYTES = 16 << 20;
/** Docker makes images of 127 at most. Each is a device. */
const MAX_LAYERS = 1000;
/** An index may hold indexes. */
export const MAX_NESTING = 4;

/** OCI image-spec, descriptor.md; Docker's are the same. */
export const descriptorSchema = v.looseObject({
  mediaType: v.nullish(v.string()),
  digest: v.pipe(v.string(), v.check(isDigest, "not a digest")),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  platform: v.nullish(v.looseObject({ os: v.string(), architecture: v.string(), variant: v.nullish(v.string()) })),
  annotations: v.nullish(v.record(v.string(), v.string())),
});
/** What leads to a blob, a manifest or an index. */
export type Descriptor = v.InferOutput<typeof descriptorSchema>;

/** OCI image-spec, image-index.md; Docker's manifest list. */
export const indexSchema = v.looseObject({
  mediaType: v.nullish(v.string()),
  manifests: v.array(descriptorSchema),
});
/** OCI image-spec, manifest.md; Docker's schema 2. */
export const manifestSchema = v.looseObject({
  mediaType: v.nullish(v.string()),
  config: descriptorSchema,
  layers: v.array(descriptorSchema),
});
/** See `manifestSchema`. */
export type Manifest = v.InferOutput<typeof manifestSchema>;

/** Whether a descriptor leads to an index. */
export function leadsToIndex({ mediaType }: Descriptor): boolean {
  return INDEX_TYPES.includes(mediaType ?? "");
}

/**
 * Of what an index offers, what is an image for a platform.
 *
 * @param label the source's name in messages
 * @throws StoreError invalid when there is none
 */
export function imagesFor(manifests: readonly Descriptor[], wanted: Platform, label: string): Descriptor[] {
  // Attestations and signatures stand beside images, for the platform "unknown" or as artifacts.
  const images = manifests.filter(
    ({ mediaType, platform }) =>
      platform?.os !== "unknown" && (mediaType == null || [...INDEX_TYPES, ...MANIFEST_TYPES].includes(mediaType)),
  );
  if (images.length === 0) throw new StoreError("invalid", `Cannot import ${label}: there is no image in it`);
  const withPlatform = images.flatMap(({ platform }) => (platform == null ? [] : [toPlatform(platform)]));
  // The only one is taken as it is, unless it says that it is for something else.
  if (withPlatform.length < images.length && images.length === 1) return images;
  const matching = images.filter(({ platform }) => platform == null || platformMatches(toPlatform(platform), wanted));
  if (matching.length > 0) return matching;
  throw new StoreError(
    "invalid",
    `Cannot import ${label}: it has no image for ${formatPlatform(wanted)}, only for ` +
      `${withPlatform.map(formatPlatform).join(", ")}. Another platform can be asked for by name`,
  );
}

/** Reads the configuration that a manifest names. @throws StoreError damaged when they do not tell of the same layers */
export function parseConfigOf(manifest: Manifest, bytes: Buffer, label: string): ImageConfig {
  if (manifest.layers.length > MAX_LAYERS) {
    const count = manifest.layers.length;
    throw new StoreError("damaged", `Cannot import ${label}: it has ${count} layers, more than ${MAX_LAYERS}`);
  }
  const config = parseImageConfig(bytes, `configuration ${manifest.config.digest} of ${label}`);
  if (config.diffIds.length === manifest.layers.length) return config;
  throw new StoreError(
    "damaged",
    `Cannot import ${label}: its manifest lists ${manifest.layers.length} layers, its configuration ${config.diffIds.length}`,
  );
}

function toPlatform(platform: NonNullable<Descriptor["platform"]>): Platform {
  return { os: platform.os, architecture: platform.architecture, variant: platform.variant ?? undefined };
}
