import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { syncFolder } from "../../graph/files/json-file.ts";
import {
  blobName,
  imageBlobs,
  layoutFiles,
  type ArchivedImage,
  type ArchivedLayer,
} from "../../image/archive-format.ts";
import type { ExportTarget } from "./export-target.ts";
import { hashBlob } from "./hashed-blob.ts";
import { writeAll } from "./write-all.ts";

/** An OCI image layout in a folder, made beside its place and renamed to it. */
export class FolderTarget implements ExportTarget {
  readonly #path: string;
  readonly #partial: string;

  constructor(path: string) {
    this.#path = path.replace(/(?<=.)\/+$/, "");
    this.#partial = `${this.#path}.partial-${process.pid}`;
    mkdirSync(this.#partial);
    mkdirSync(join(this.#partial, "blobs", "sha256"), { recursive: true });
  }

  async addLayer(tar: AsyncIterable<Buffer>, expected: string | undefined): Promise<ArchivedLayer> {
    const unnamed = join(this.#partial, "blobs", "unnamed");
    const fd = openSync(unnamed, "w", 0o644);
    let layer: ArchivedLayer;
    try {
      layer = await hashBlob(tar, expected, (chunk) => writeAll(fd, chunk));
      fsyncSync(fd);
    } catch (error) {
      rmSync(unnamed, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    renameSync(unnamed, join(this.#partial, blobName(layer.diffId)));
    return layer;
  }

  finish(images: readonly ArchivedImage[]): void {
    for (const { name, bytes } of [...images.flatMap(imageBlobs), ...layoutFiles(images, "name")]) {
      // Not part of a layout, but with it the folder is what `docker save` writes, unpacked.
      if (!existsSync(join(this.#partial, name))) writeFile(join(this.#partial, name), bytes);
    }
    syncFolder(join(this.#partial, "blobs", "sha256"));
    syncFolder(this.#partial);
    renameSync(this.#partial, this.#path);
    syncFolder(dirname(this.#path));
  }

  abandon(): void {
    rmSync(this.#partial, { recursive: true, force: true });
  }
}

function writeFile(path: string, bytes: Buffer): void {
  const fd = openSync(path, "wx", 0o644);
  try {
    writeSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
