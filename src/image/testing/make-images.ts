import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { craftTar, type CraftedEntry } from "../../layer/testing/craft-tar.ts";
import { hexOf, sha256 } from "../digest.ts";
import { hostPlatform, type Platform } from "../platform.ts";

/** A layer for a test image. */
export interface TestLayer {
  entries: CraftedEntry[];
  compression?: "none" | "gzip" | "zstd";
}

/** A test image's parts, made but written nowhere. */
export interface TestImage {
  id: string;
  config: Buffer;
  layers: { diffId: string; digest: string; tar: Buffer; blob: Buffer; mediaType: string }[];
  manifest: Buffer;
}

/** Builds an image of these layers. */
export function makeImage(layers: TestLayer[], platform: Platform = hostPlatform()): TestImage {
  const built = layers.map(({ entries, compression = "none" }) => {
    const tar = craftTar(entries);
    const blob =
      compression === "none"
        ? tar
        : compression === "gzip"
          ? gzipSync(tar)
          : execFileSync("zstd", ["-c"], { input: tar, maxBuffer: 64 << 20 });
    const suffix = compression === "none" ? "" : `+${compression}`;
    return {
      diffId: sha256(tar),
      digest: sha256(blob),
      tar,
      blob,
      mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
    };
  });
  const config = Buffer.from(
    JSON.stringify({
      created: "2024-05-06T07:08:09Z",
      ...platform,
      config: { Cmd: ["/bin/sh"], Labels: { test: "yes" } },
      rootfs: { type: "layers", diff_ids: built.map(({ diffId }) => diffId) },
      history: built.map(() => ({ created_by: "test" })),
      "vendor.extension": { kept: true },
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", digest: sha256(config), size: config.length },
      layers: built.map(({ mediaType, digest, blob }) => ({ mediaType, digest, size: blob.length })),
    }),
  );
  return { id: sha256(config), config, layers: built, manifest };
}

/** An entry of an index that leads to a manifest or a further index. */
export function descriptorOf(bytes: Buffer, more: object = {}): object {
  return {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: sha256(bytes),
    size: bytes.length,
    ...more,
  };
}

/** Writes an OCI layout. @param manifests descriptors for its index; default: the images' */
export function writeOciLayout(folder: string, images: TestImage[], manifests?: object[]): string {
  mkdirSync(join(folder, "blobs", "sha256"), { recursive: true });
  writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  for (const { config, manifest, layers } of images) {
    for (const bytes of [config, manifest, ...layers.map(({ blob }) => blob)]) writeBlob(folder, bytes);
  }
  const entries = manifests ?? images.map(({ manifest }) => descriptorOf(manifest));
  writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: entries }));
  return folder;
}

/** Puts a blob into an OCI layout. */
export function writeBlob(folder: string, bytes: Buffer): void {
  writeFileSync(join(folder, "blobs", "sha256", hexOf(sha256(bytes))), bytes);
}

/** A `docker save` archive as Docker before 25 wrote it: a folder a layer, and links for layers that come twice. */
export function dockerArchive(images: { image: TestImage; tags: string[] | null }[]): Buffer {
  const entries: CraftedEntry[] = [];
  const places = new Map<string, string>();
  const manifest = images.map(({ image, tags }) => {
    const config = `${hexOf(image.id)}.json`;
    const layers = image.layers.map(({ diffId, tar }, index) => {
      const name = `${hexOf(sha256(`${image.id} ${index}`))}/layer.tar`;
      const place = places.get(diffId);
      entries.push(
        { name: name.replace("layer.tar", ""), type: "5" },
        { name: name.replace("layer.tar", "VERSION"), content: "1.0" },
      );
      if (place === undefined) entries.push({ name, content: tar });
      else entries.push({ name, type: "2", linkName: `../${place}` });
      places.set(diffId, name);
      return name;
    });
    entries.push({ name: config, content: image.config });
    return { Config: config, RepoTags: tags, Layers: layers };
  });
  return craftTar([
    ...entries,
    { name: "manifest.json", content: JSON.stringify(manifest) },
    { name: "repositories", content: "{}" },
  ]);
}
