import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { mountsByName, mountsInLayerDatabase, readContainers, type StoredContainer } from "./containers.ts";
import { readDeviceFiles, type DeviceFiles } from "./device-files.ts";
import { readImages } from "./image-database.ts";
import { readLayers } from "./layer-database.ts";
import { locateRoot, type DockerRoot } from "./locate-root.ts";
import { readReferences } from "./references.ts";
import { storedNames, type Problems } from "./stored-file.ts";
import type { StoredImage, StoredLayer } from "./stored-image.ts";
import { readV1Images } from "./v1-images.ts";

/** All that a Docker data root tells in its files, without a look at the pool. */
export interface DockerGraph extends DockerRoot {
  /** How images are kept: by content since Docker 1.10, "v1" before; "none": no images stand beside the devices. */
  layout: "content-addressed" | "v1" | "none";
  images: StoredImage[];
  /** By their keys, those that no image has any more included. */
  layers: ReadonlyMap<string, StoredLayer>;
  containers: StoredContainer[];
  /** Names only: volumes are plain folders, which need no adoption. */
  volumes: string[];
  deviceFiles: DeviceFiles;
  /** What is damaged or missing, in plain words. */
  problems: Problems;
}

/**
 * Reads a Docker data root. Nothing is written, no lock taken, no file changed.
 *
 * @param path the data root, such as /var/lib/docker, or its devicemapper folder
 * @throws DockerGraphError when there is none
 */
export function readDockerGraph(path: string): DockerGraph {
  const root = locateRoot(path);
  const problems: Problems = [];
  const deviceFiles = readDeviceFiles(root.graphRoot, problems);
  const imageRoot = join(root.dataRoot, "image", "devicemapper");
  const v1Root = join(root.dataRoot, "graph");
  const volumes = storedNames(join(root.dataRoot, "volumes"), "The volumes", problems).filter(
    (name) => statSync(join(root.dataRoot, "volumes", name), { throwIfNoEntry: false })?.isDirectory() === true,
  );
  if (existsSync(imageRoot)) {
    const layerdb = join(imageRoot, "layerdb");
    const references = readReferences(join(imageRoot, "repositories.json"), problems);
    const layers = readLayers(layerdb, problems);
    const images = readImages(join(imageRoot, "imagedb"), layers, references, problems);
    const containers = readContainers(root.dataRoot, mountsInLayerDatabase(layerdb, problems), problems);
    return { ...root, layout: "content-addressed", images, layers, containers, volumes, deviceFiles, problems };
  }
  const { devices } = deviceFiles;
  const layout = existsSync(v1Root) ? "v1" : "none";
  const references = readReferences(join(root.dataRoot, "repositories-devicemapper"), problems);
  const images = layout === "none" ? [] : readV1Images(v1Root, references, devices, problems);
  const containers = readContainers(root.dataRoot, mountsByName(devices, problems), problems);
  if (layout === "none") {
    problems.push(`There are no images beside the devices: neither '${imageRoot}' nor '${v1Root}' is there`);
  }
  const layers = new Map(images.flatMap((image) => image.layers.map((layer) => [layer.key, layer] as const)));
  return { ...root, layout, images, layers, containers, volumes, deviceFiles, problems };
}
