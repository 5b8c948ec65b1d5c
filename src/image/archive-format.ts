import { formatTarHeader, tarPadding } from "../layer/format-tar-header.ts";
import { hexOf, sha256, type Digest } from "./digest.ts";
import type { ImageConfig } from "./image-config.ts";
import { locationOf, parseReference } from "./reference.ts";

const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
/** The annotation by which an index calls an image (OCI image-spec, annotations.md). */
export const REF_NAME = "org.opencontainers.image.ref.name";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

/** An image, as an archive or a layout tells of it. */
export interface ArchivedImage {
  id: Digest;
  configBytes: Buffer;
  config: Pick<ImageConfig, "architecture" | "os" | "variant">;
  /** Names in Docker's short form, such as "app:latest"; those without a tag are left out of the archive. */
  references: readonly string[];
  /** Bottom first; uncompressed, so that a blob's digest is its diff ID. */
  layers: readonly ArchivedLayer[];
}

/** A layer's blob. */
export interface ArchivedLayer {
  diffId: Digest;
  tarBytes: number;
}

/** What an index calls its images: by their tags, as Docker does, or, where it holds several, by all of their names; or as it is told. */
export type ReferenceNaming = "tag" | "name" | { exactly: string };

/** A small file of an archive or a layout. */
export interface ArchivedFile {
  name: string;
  bytes: Buffer;
}

/**
 * What makes blobs an OCI image layout (oci-layout, index.json) and a `docker save` archive (manifest.json) at once, as
 * Docker 25 and later write them.
 */
export function layoutFiles(images: readonly ArchivedImage[], naming: ReferenceNaming): ArchivedFile[] {
  return [
    { name: "oci-layout", bytes: json({ imageLayoutVersion: "1.0.0" }) },
    { name: "index.json", bytes: indexOf(images.flatMap((image) => indexEntries(image, naming))) },
    { name: "manifest.json", bytes: dockerManifest(images) },
  ];
}

/** An image's manifest and configuration, as blobs. */
export function imageBlobs(image: ArchivedImage): ArchivedFile[] {
  const manifest = manifestOf(image);
  return [
    { name: blobName(sha256(manifest)), bytes: manifest },
    { name: blobName(image.id), bytes: image.configBytes },
  ];
}

/** How a layout's index leads to an image: an entry for each of its names. */
export function indexEntries(image: ArchivedImage, naming: ReferenceNaming): object[] {
  const manifest = manifestOf(image);
  const { architecture, os, variant } = image.config;
  const descriptor = {
    mediaType: MANIFEST_TYPE,
    digest: sha256(manifest),
    size: manifest.length,
    ...(architecture !== undefined && os !== undefined && { platform: { architecture, os, variant } }),
  };
  const names = annotationsOf(image, naming);
  return names.length === 0 ? [descriptor] : names.map((annotations) => ({ ...descriptor, annotations }));
}

/** An index of these entries. */
export function indexOf(manifests: readonly object[]): Buffer {
  return json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
}

/** A blob's path in an archive or a layout. */
export function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** A small file as a tar's entry. */
export function tarEntry({ name, bytes }: ArchivedFile, mtimeNs: bigint): Buffer[] {
  return [
    formatTarHeader({ name, type: "0", mode: 0o644, sizeBytes: bytes.length, mtimeNs }),
    bytes,
    Buffer.alloc(tarPadding(bytes.length)),
  ];
}

/** The folders that blobs are in, as a tar's entries. */
export function blobFolders(mtimeNs: bigint): Buffer[] {
  return ["blobs/", "blobs/sha256/"].map((name) => formatTarHeader({ name, type: "5", mode: 0o755, mtimeNs }));
}

function manifestOf(image: ArchivedImage): Buffer {
  return json({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: image.id, size: image.configBytes.length },
    layers: image.layers.map(({ diffId, tarBytes }) => ({ mediaType: LAYER_TYPE, digest: diffId, size: tarBytes })),
  });
}

function annotationsOf(image: ArchivedImage, naming: ReferenceNaming): Record<string, string>[] {
  if (typeof naming === "object") return [{ [REF_NAME]: naming.exactly }];
  const tagged = taggedNames(image).map(({ repository, tag }) => ({
    "io.containerd.image.name": fullName(repository, tag),
    [REF_NAME]: naming === "tag" ? tag : `${repository}:${tag}`,
  }));
  // One of several has to be told from the others.
  if (tagged.length === 0 && naming === "name") return [{ [REF_NAME]: hexOf(image.id) }];
  return tagged;
}

function dockerManifest(images: readonly ArchivedImage[]): Buffer {
  return json(
    images.map((image) => {
      const names = taggedNames(image).map(({ repository, tag }) => `${repository}:${tag}`);
      return {
        Config: blobName(image.id),
        RepoTags: names.length === 0 ? null : names,
        Layers: image.layers.map(({ diffId }) => blobName(diffId)),
      };
    }),
  );
}

function taggedNames(image: ArchivedImage): { repository: string; tag: string }[] {
  return image.references.flatMap((reference) => {
    const { repository, tag } = parseReference(reference);
    return tag === undefined ? [] : [{ repository, tag }];
  });
}

/** As containerd names images: with the registry, also Docker's own. */
function fullName(repository: string, tag: string): string {
  const { registry, path } = locationOf({ repository });
  return `${registry}/${path}:${tag}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
