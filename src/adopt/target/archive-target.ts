import { closeSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { syncFolder } from "../../graph/files/json-file.ts";
import {
  blobFolders,
  blobName,
  imageBlobs,
  layoutFiles,
  tarEntry,
  type ArchivedImage,
  type ArchivedLayer,
} from "../../image/archive-format.ts";
import { formatTarHeader, TAR_END, tarPadding } from "../../layer/format-tar-header.ts";
import type { ExportTarget } from "./export-target.ts";
import { hashBlob } from "./hashed-blob.ts";
import { writeAll } from "./write-all.ts";

/** A layer's header: its size stands in a pax record always, so that the header is as long before it is known as after. */
const HEADER_BYTES = 3 * 512;

/**
 * A tar that is an OCI image layout and a `docker save` archive at once, made beside its place and renamed to it. A layer's name
 * and size are known only when it is written: its header is then put before it. One that fails is cut off again.
 */
export class ArchiveTarget implements ExportTarget {
  readonly #path: string;
  readonly #partial: string;
  readonly #fd: number;
  readonly #layers = new Map<string, ArchivedLayer>();
  #end = 0;
  #open = true;

  constructor(path: string) {
    this.#path = path;
    this.#partial = `${path}.partial-${process.pid}`;
    this.#fd = openSync(this.#partial, "wx", 0o644);
    for (const folder of blobFolders(0n)) this.#append(folder);
  }

  async addLayer(tar: AsyncIterable<Buffer>, expected: string | undefined): Promise<ArchivedLayer> {
    const start = this.#end;
    try {
      this.#end += HEADER_BYTES;
      const layer = await hashBlob(tar, expected, (chunk) => this.#append(chunk));
      const known = this.#layers.get(layer.diffId);
      if (known !== undefined) {
        this.#cut(start);
        return known;
      }
      this.#append(Buffer.alloc(tarPadding(layer.tarBytes)));
      writeAll(this.#fd, layerHeader(layer), start);
      this.#layers.set(layer.diffId, layer);
      return layer;
    } catch (error) {
      this.#cut(start);
      throw error;
    }
  }

  finish(images: readonly ArchivedImage[]): void {
    const written = new Set<string>();
    for (const file of [...images.flatMap(imageBlobs), ...layoutFiles(images, "name")]) {
      if (written.has(file.name)) continue;
      written.add(file.name);
      for (const part of tarEntry(file, 0n)) this.#append(part);
    }
    this.#append(TAR_END);
    fsyncSync(this.#fd);
    this.#close();
    renameSync(this.#partial, this.#path);
    syncFolder(dirname(this.#path));
  }

  abandon(): void {
    this.#close();
    rmSync(this.#partial, { force: true });
  }

  #append(bytes: Buffer): void {
    writeAll(this.#fd, bytes, this.#end);
    this.#end += bytes.length;
  }

  #cut(start: number): void {
    ftruncateSync(this.#fd, start);
    this.#end = start;
  }

  #close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }
}

function layerHeader({ diffId, tarBytes }: ArchivedLayer): Buffer {
  return formatTarHeader({
    name: blobName(diffId),
    type: "0",
    mode: 0o644,
    sizeBytes: tarBytes,
    pax: [["size", Buffer.from(String(tarBytes))]],
  });
}
