import type { DockerGraph } from "../docker-graph/docker-graph.ts";
import type { StoredImage } from "../docker-graph/stored-image.ts";
import { baseId } from "../graph/devices/device-names.ts";

/** What a user would call an image: its first name, else its ID. */
export function imageLabel({ id, references }: Pick<StoredImage, "id" | "references">): string {
  return references.length > 0 ? references[0] : id.replace(/^sha256:/, "").slice(0, 12);
}

/** What a user would call each of the graph's devices: by images and containers, not only by their hashes. */
export function deviceLabels(graph: DockerGraph): (device: string) => string {
  const labels = new Map<string, string>([[baseId, "the base device"]]);
  const images = new Map<string, Set<string>>();
  for (const image of graph.images) {
    for (const { device } of image.layers) {
      images.set(device, (images.get(device) ?? new Set()).add(imageLabel(image)));
    }
  }
  for (const { key, device } of graph.layers.values()) {
    const users = [...(images.get(device) ?? [])];
    const of = users.length === 0 ? "" : ` of ${users.slice(0, 3).join(", ")}${users.length > 3 ? " and others" : ""}`;
    labels.set(device, `layer ${key.replace(/^sha256:/, "").slice(0, 12)}${of}`);
  }
  for (const { name, mount } of graph.containers) {
    if (mount === undefined) continue;
    labels.set(mount.device, `container ${name}`);
    if (mount.initDevice !== undefined) labels.set(mount.initDevice, `the layer under container ${name}`);
  }
  return (device) => labels.get(device) ?? `device ${device}`;
}
