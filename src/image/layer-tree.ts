import { chainIds } from "./digest.ts";
import type { ImageContext } from "./image-context.ts";
import { parseImageConfig } from "./image-config.ts";
import { findImage } from "./find-image.ts";
import type { TreeNode } from "./types.ts";

/** The devices as they stand on each other: base → layers → containers, with what each holds alone and shares. */
export async function layerTree({ devices, files }: ImageContext): Promise<TreeNode> {
  const usage = new Map((await devices.usage()).map((each) => [each.id, each]));
  const mounted = new Set(
    (await devices.devices()).filter(({ mountPoint }) => mountPoint !== undefined).map(({ id }) => id),
  );
  const node = (kind: TreeNode["kind"], id: string, device: string, names: string[]): TreeNode => {
    const { mappedBytes = 0, exclusiveBytes = 0 } = usage.get(device) ?? {};
    return {
      kind,
      id,
      names,
      device,
      mappedBytes,
      exclusiveBytes,
      sharedBytes: mappedBytes - exclusiveBytes,
      mounted: mounted.has(device),
      children: [],
    };
  };
  const base = node("base", "base", "base", []);
  const layers = files.layers();
  const names = topLayerNames({ files });
  const nodes = new Map(
    layers.map((layer) => [layer.chainId, node("layer", layer.chainId, layer.device, names.get(layer.chainId) ?? [])]),
  );
  for (const { chainId, parent } of layers) {
    (parent === undefined ? base : (nodes.get(parent) ?? base)).children.push(nodes.get(chainId)!);
  }
  for (const { id, name, imageId, device } of files.containers()) {
    const top = files.imageConfig(imageId) && chainIds(findImage(files, imageId).config.diffIds).at(-1);
    ((top === undefined ? undefined : nodes.get(top)) ?? base).children.push(node("container", id, device, [name]));
  }
  return base;
}

/** By the chain ID of an image's top layer, the image's names, or its ID where it has none. */
function topLayerNames({ files }: Pick<ImageContext, "files">): Map<string, string[]> {
  const references = Object.entries(files.references()).filter(([name]) => !name.includes("@"));
  const names = new Map<string, string[]>();
  for (const id of files.imageIds()) {
    const config = files.imageConfig(id);
    const top = config && chainIds(parseImageConfig(config, `image ${id}`).diffIds).at(-1);
    if (top === undefined) continue;
    const own = references.filter(([, image]) => image === id).map(([name]) => name);
    names.set(top, [...(names.get(top) ?? []), ...(own.length > 0 ? own : [id])]);
  }
  return names;
}
