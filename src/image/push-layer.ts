import { createHash } from "node:crypto";
import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { namelessFile } from "../linux/nameless-file.ts";
import type { BlobDescriptor } from "../registry/blob-download.ts";
import type { PushRepository } from "../registry/push-repository.ts";
import type { FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import type { LayerBlob, LayerRecord } from "./records.ts";
import { rebuildLayer } from "./rebuild-layer.ts";

const CHUNK_BYTES = 1 << 20;
/** So much has to go through in a minute, or the line counts as dead. */
const SENT_BYTES = 128 << 10;
/** Of programs it makes blobs 3 % larger than zlib's usual 6 does, in a little more than half the time. Part of what a blob's digest is of. */
const GZIP_LEVEL = 4;
/** Blobs to ask for before a layer is packed anew. */
const MAX_ASKED = 4;

/** How layers are compressed in blobs; what follows the tar in their media types. */
export type BlobCompression = "none" | "gzip" | "zstd";

/** A layer as the manifest names it. */
export interface PushedLayer extends BlobDescriptor {
  compression: BlobCompression;
  /** What had to be done. */
  how: "exists" | "mounted" | "sent";
}

/** Where a layer is sent. */
export interface PushTarget {
  repository: PushRepository;
  registry: string;
  path: string;
  /** Compressions that the manifest's format has names for. */
  allowed: readonly BlobCompression[];
  signal: AbortSignal | undefined;
  /** Told while the layer is packed: bytes of its tar. */
  packed: (bytes: number) => void;
  /** Told while its blob is sent. */
  sent: (blob: BlobDescriptor, bytes: number) => void;
}

/**
 * Sees to it that a layer is in a repository. One that came from a registry, or went to one, is known by the blob that it was there, and
 * need neither be packed nor sent where that still is. Else it is packed anew, which makes the same blob each time, and sent if that is
 * not there.
 */
export async function pushLayer(
  context: ImageContext,
  image: FoundImage,
  layer: LayerRecord,
  target: PushTarget,
): Promise<PushedLayer> {
  const known = await findKnown(context.files.layerBlobs(layer.chainId), target);
  if (known !== undefined) return known;
  const { repository, signal } = target;
  const file = await namelessFile(context.files.temporaryFolder);
  try {
    const blob = await packInto(
      file,
      Readable.from(rebuildLayer(context, image, layer), { objectMode: false }),
      target,
    );
    const there = await repository.has(blob, signal);
    if (!there) await repository.upload(blob, () => readBlob(file, blob, target), signal);
    return { ...blob, compression: "gzip", how: there ? "exists" : "sent" };
  } finally {
    await file.close();
  }
}

/** How a blob of a media type is compressed; undefined for one that is not a layer of an image. */
export function compressionOf(mediaType: string): BlobCompression | undefined {
  return Object.hasOwn(compressions, mediaType) ? compressions[mediaType] : undefined;
}

const compressions: Record<string, BlobCompression> = {
  "application/vnd.oci.image.layer.v1.tar": "none",
  "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
  "application/vnd.docker.image.rootfs.diff.tar": "none",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
};

async function findKnown(blobs: readonly LayerBlob[], target: PushTarget): Promise<PushedLayer | undefined> {
  const { repository, registry, path, allowed, signal } = target;
  const usable = blobs.flatMap((blob) => {
    const compression = compressionOf(blob.mediaType);
    return compression !== undefined && allowed.includes(compression) ? [{ ...blob, compression }] : [];
  });
  const digests = [...new Map(usable.map((blob) => [blob.digest, blob])).values()].slice(0, MAX_ASKED);
  for (const { digest, sizeBytes, compression } of digests) {
    if (await repository.has({ digest, sizeBytes }, signal)) return { digest, sizeBytes, compression, how: "exists" };
  }
  const elsewhere = usable.filter((blob) => blob.registry === registry && blob.path !== path).slice(0, MAX_ASKED);
  for (const { digest, sizeBytes, compression, path: from } of elsewhere) {
    if (await repository.mount({ digest, sizeBytes }, from, signal)) {
      return { digest, sizeBytes, compression, how: "mounted" };
    }
  }
  return undefined;
}

/** gzip without name and time: of the same tar always the same blob. */
async function packInto(file: FileHandle, tar: Readable, { packed, signal }: PushTarget): Promise<BlobDescriptor> {
  const hash = createHash("sha256");
  let tarBytes = 0;
  let sizeBytes = 0;
  async function* count(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      tarBytes += chunk.length;
      packed(tarBytes);
      yield chunk;
    }
  }
  async function write(chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      await file.write(chunk, 0, chunk.length, sizeBytes);
      sizeBytes += chunk.length;
    }
  }
  try {
    const options = signal === undefined ? {} : { signal };
    await pipeline(tar, count, createGzip({ chunkSize: CHUNK_BYTES, level: GZIP_LEVEL }), write, options);
  } finally {
    // Until then the layer is mounted.
    tar.destroy();
    if (!tar.closed) await once(tar, "close");
  }
  return { digest: `sha256:${hash.digest("hex")}`, sizeBytes };
}

function readBlob(file: FileHandle, blob: BlobDescriptor, { sent }: PushTarget): Readable {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < blob.sizeBytes;) {
      const buffer = Buffer.allocUnsafe(Math.min(SENT_BYTES, blob.sizeBytes - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error("Cannot send the layer: its file ended early");
      at += bytesRead;
      sent(blob, at);
      yield buffer.subarray(0, bytesRead);
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}
