import { chainIds, type Digest } from "./digest.ts";
import type { ImageContext } from "./image-context.ts";
import { parseImageConfig } from "./image-config.ts";
import type { PendingMark } from "./pending-devices.ts";
import type { LayerRecord } from "./records.ts";

/**
 * Removes the layers that no image has, with the images that were cut short as they came or went. While an image is under way anywhere, whose
 * layers have none yet, that is put off until the store is opened next.
 *
 * @returns chain IDs of what was removed
 */
export async function collectLayers({ files, locks, pending, imports }: ImageContext): Promise<Digest[]> {
  const removed = await locks.records((): (LayerRecord & { mark: PendingMark })[] => {
    const anyAlive = imports.anyAlive();
    if (!anyAlive) removeNameless({ files, imports });
    const layers = unusedLayers({ files });
    if (layers.length > 0 && anyAlive) {
      imports.leaveDead();
      return [];
    }
    const marked = layers.map((layer) => ({ ...layer, mark: pending.mark({ owner: "layer", device: layer.device }) }));
    // What stands on another goes first, so that a crash leaves no layer without its parent.
    for (const { chainId } of marked) files.deleteLayer(chainId);
    if (!anyAlive) imports.clear();
    return marked;
  });
  for (const { mark } of removed) await pending.settle(mark);
  return removed.map(({ chainId }) => chainId);
}

/** One that a container stands on was there before. */
function removeNameless({ files, imports }: Pick<ImageContext, "files" | "imports">): void {
  const nameless = imports.nameless();
  if (nameless.length === 0) return;
  const wanted = new Set([...Object.values(files.references()), ...files.containers().map(({ imageId }) => imageId)]);
  for (const image of nameless) if (!wanted.has(image)) files.deleteImage(image);
}

/** Layers without an image, those on top first. */
function unusedLayers({ files }: Pick<ImageContext, "files">): LayerRecord[] {
  const used = new Set<Digest>();
  for (const id of files.imageIds()) {
    const config = files.imageConfig(id);
    if (config === undefined) continue;
    for (const chain of chainIds(parseImageConfig(config, `image ${id}`).diffIds)) used.add(chain);
  }
  const layers = new Map(files.layers().map((layer) => [layer.chainId, layer]));
  const depth = (layer: LayerRecord): number => {
    const parent = layer.parent === undefined ? undefined : layers.get(layer.parent);
    return parent === undefined ? 0 : 1 + depth(parent);
  };
  return [...layers.values()]
    .filter(({ chainId }) => !used.has(chainId))
    .map((layer) => ({ layer, depth: depth(layer) }))
    .sort((a, b) => b.depth - a.depth)
    .map(({ layer }) => layer);
}
