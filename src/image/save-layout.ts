import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { syncFolder } from "../graph/files/json-file.ts";
import { blobName, imageBlobs, indexEntries, indexOf, layoutFiles, REF_NAME } from "./archive-format.ts";
import type { ImageContext } from "./image-context.ts";
import { parseJson } from "./image-config.ts";
import { rebuildLayer } from "./rebuild-layer.ts";
import type { SavedImage } from "./save-image.ts";
import { indexSchema } from "./source/manifest.ts";
import { StoreError } from "./store-error.ts";
import type { LongOptions } from "./types.ts";
import { writeWhole } from "./write-whole.ts";

/**
 * Writes an image into a folder that is an OCI image layout, or becomes one: its blobs first, and last the index, in which it takes the
 * name from the image that had it. Whoever reads the layout meanwhile sees it as it was. What failed is removed.
 */
export async function saveLayout(
  context: ImageContext,
  image: SavedImage,
  folder: string,
  options: LongOptions,
): Promise<void> {
  const before = entriesIn(folder);
  const writing = new LayoutFiles(folder);
  try {
    for (const layer of image.layers) {
      await writing.add(
        blobName(layer.diffId),
        layer.tarBytes,
        rebuildLayer(context, image.found, layer),
        options.signal,
      );
    }
    for (const { name, bytes } of imageBlobs(image.archived)) {
      await writing.add(name, bytes.length, [bytes], options.signal);
    }
    const layout = layoutFiles([image.archived], image.naming).find(({ name }) => name === "oci-layout")!;
    await writing.add(layout.name, layout.bytes.length, [layout.bytes], options.signal);
    const added = indexEntries(image.archived, image.naming);
    const names = new Set(added.map(nameOf));
    const kept = before.filter((entry) => !names.has(nameOf(entry)));
    await writing.replace("index.json", indexOf([...kept, ...added]));
  } catch (error) {
    writing.undo();
    throw error;
  }
}

/** What an index leads to already. @throws StoreError exists, when the folder is something else than a layout */
function entriesIn(folder: string): object[] {
  if (!existsSync(folder)) return [];
  if (statSync(folder).isDirectory()) {
    const index = join(folder, "index.json");
    if (existsSync(join(folder, "oci-layout")) && existsSync(index)) {
      return parseJson(readFileSync(index), indexSchema, `'${index}'`).manifests;
    }
    if (readdirSync(folder).length === 0) return [];
  }
  throw new StoreError("exists", `Cannot save to '${folder}': it is there already, and is no OCI image layout`);
}

/** Of an image without a name there is one, whatever else there is: the last. */
function nameOf(entry: { annotations?: Record<string, string> | null }): string | undefined {
  return entry.annotations?.[REF_NAME];
}

/** Files that are added to a layout, each there only when it is complete. */
class LayoutFiles {
  readonly #folder: string;
  /** What to remove when the rest fails, the last one first. */
  readonly #made: string[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    for (const path of [folder, join(folder, "blobs"), join(folder, "blobs", "sha256")]) {
      if (existsSync(path)) continue;
      mkdirSync(path);
      this.#made.push(path);
    }
  }

  /** One that is there, and whole, is the same: its name is its digest's. */
  async add(
    name: string,
    sizeBytes: number,
    content: Iterable<Buffer> | AsyncIterable<Buffer>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const path = join(this.#folder, name);
    if (statSync(path, { throwIfNoEntry: false })?.size === sizeBytes) return;
    const options = signal === undefined ? {} : { signal };
    await writeWhole(path, (writable) => pipeline(content, writable, options));
    this.#made.push(path);
  }

  /** In place of what was there, if anything. */
  async replace(name: string, bytes: Buffer): Promise<void> {
    syncFolder(join(this.#folder, "blobs", "sha256"));
    await writeWhole(join(this.#folder, name), (writable) => pipeline([bytes], writable));
    syncFolder(this.#folder);
  }

  undo(): void {
    for (const path of this.#made.reverse()) rmSync(path, { recursive: true, force: true });
  }
}
