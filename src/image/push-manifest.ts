import type { BlobDescriptor } from "../registry/blob-download.ts";
import type { BlobCompression, PushedLayer } from "./push-layer.ts";

/** The OCI's manifest, or Docker's schema 2: skopeo's names. */
export type ManifestFormat = "oci" | "v2s2";

/** What a format calls its parts; a compression it has no name for is not in it. */
interface FormatTypes {
  manifest: string;
  config: string;
  mediaTypes: Partial<Record<BlobCompression, string>>;
}

/** OCI image-spec, media-types.md; distribution's manifest-v2-2.md. */
export const manifestFormats: Record<ManifestFormat, FormatTypes> = {
  oci: {
    manifest: "application/vnd.oci.image.manifest.v1+json",
    config: "application/vnd.oci.image.config.v1+json",
    mediaTypes: {
      none: "application/vnd.oci.image.layer.v1.tar",
      gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
      zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
    },
  },
  v2s2: {
    manifest: "application/vnd.docker.distribution.manifest.v2+json",
    config: "application/vnd.docker.container.image.v1+json",
    mediaTypes: { gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip" },
  },
};

/** Writes a manifest. */
export function imageManifest(
  format: ManifestFormat,
  config: BlobDescriptor,
  layers: readonly PushedLayer[],
): { bytes: Buffer; mediaType: string } {
  const { manifest, config: configType, mediaTypes } = manifestFormats[format];
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifest,
      config: { mediaType: configType, digest: config.digest, size: config.sizeBytes },
      layers: layers.map(({ compression, digest, sizeBytes }) => ({
        mediaType: mediaTypes[compression],
        digest,
        size: sizeBytes,
      })),
    }),
  );
  return { bytes, mediaType: manifest };
}
