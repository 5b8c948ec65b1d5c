import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import type { TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/**
 * Writes an image in the OCI layout (a folder of content-addressed blobs): one gzipped tar a layer, lowest first.
 * Source of the format: the OCI image specification, image-layout.md and manifest.md.
 * @returns the uncompressed size of each layer's tar, in bytes
 */
export async function writeOciLayout(
  folder: string,
  layerFolders: string[],
  config: { Cmd: string[]; WorkingDir: string },
): Promise<number[]> {
  const blobs = join(folder, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const layers = [];
  for (const layer of layerFolders) layers.push(await writeLayer(blobs, layer));

  const image = writeJson(blobs, "application/vnd.oci.image.config.v1+json", {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    created: new Date().toISOString(),
    config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((_, index) => ({ created_by: `mica demonstration, layer ${index + 1}` })),
  });
  const manifest = writeJson(blobs, "application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: image,
    layers: layers.map((layer) => layer.descriptor),
  });
  writeFileSync(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(folder, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...manifest, annotations: { "org.opencontainers.image.ref.name": "latest" } }],
    }),
  );
  return layers.map((layer) => layer.tarBytes);
}

async function writeLayer(
  blobs: string,
  source: string,
): Promise<{ descriptor: Descriptor; diffId: string; tarBytes: number }> {
  const tar = spawn(
    "tar",
    ["-C", source, "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-cf", "-", "."],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = once(tar, "close");
  const plain = new Meter();
  const packed = new Meter();
  const temporary = join(blobs, "layer.tmp");
  await pipeline(tar.stdout, plain, createGzip({ level: 1 }), packed, createWriteStream(temporary));
  const [status] = (await ended) as [number];
  if (status !== 0) throw new Error(`Cannot pack ${source}: tar ended with status ${status}`);
  const digest = packed.digest();
  renameSync(temporary, join(blobs, digest));
  return {
    descriptor: {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: `sha256:${digest}`,
      size: packed.bytes,
    },
    diffId: `sha256:${plain.digest()}`,
    tarBytes: plain.bytes,
  };
}

function writeJson(blobs: string, mediaType: string, value: unknown): Descriptor {
  const text = JSON.stringify(value);
  const digest = createHash("sha256").update(text).digest("hex");
  writeFileSync(join(blobs, digest), text);
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) };
}

/** Counts and hashes what flows through. */
class Meter extends Transform {
  readonly #hash = createHash("sha256");
  bytes = 0;

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    this.#hash.update(chunk);
    done(null, chunk);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}
