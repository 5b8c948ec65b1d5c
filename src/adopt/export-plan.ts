import type { StoredContainer } from "../docker-graph/containers.ts";
import type { DockerGraph } from "../docker-graph/docker-graph.ts";
import type { StoredImage, StoredLayer } from "../docker-graph/stored-image.ts";
import { findByName } from "./find-names.ts";

/** What is to be exported, and how it stands in the answer. */
export type ExportItem =
  | { kind: "image"; image: StoredImage }
  | { kind: "container"; container: StoredContainer; image: StoredImage | undefined };

/**
 * What the names mean, each once; without names everything but the images that builds left on their way: those have no name, and
 * their layers are in the images that came of them.
 */
export function planExport(graph: DockerGraph, names: readonly string[]): ExportItem[] {
  const found =
    names.length > 0
      ? names.map((name) => findByName(graph, name))
      : [
          ...graph.images
            .filter(({ intermediate }) => !intermediate)
            .map((image) => ({ kind: "image" as const, image })),
          ...graph.containers.map((container) => ({ kind: "container" as const, container })),
        ];
  const items = new Map<string, ExportItem>();
  for (const each of found) {
    if (each.kind === "image") items.set(each.image.id, each);
    else items.set(each.container.id, { ...each, image: imageOf(graph, each.container) });
  }
  return [...items.values()];
}

/** The image of a container; undefined when it was removed by force. */
export function imageOf(graph: DockerGraph, container: StoredContainer): StoredImage | undefined {
  return graph.images.find(({ id }) => id === container.imageId);
}

/**
 * The layers under a container, bottom first: its image's or, where that is gone, those that its own layer stands on, which Docker
 * kept for it.
 *
 * @throws Error saying what is missing
 */
export function layersUnder(
  graph: DockerGraph,
  container: StoredContainer,
  image: StoredImage | undefined,
): readonly StoredLayer[] {
  if (image !== undefined) {
    if (image.broken !== undefined) throw new Error(`of its image, ${image.broken}`);
    return image.layers;
  }
  const chain: StoredLayer[] = [];
  for (let next = container.mount?.parent; next !== undefined;) {
    const layer = graph.layers.get(next);
    if (layer === undefined || chain.includes(layer))
      throw new Error(`the layer ${next} under it is missing or damaged`);
    chain.unshift(layer);
    next = layer.parent;
  }
  if (chain.length === 0 && container.imageId !== "") throw new Error(`its image ${container.imageId} is gone`);
  return chain;
}
