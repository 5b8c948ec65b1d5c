import { existsSync } from "node:fs";
import { join } from "node:path";
import { isDigest, type Digest } from "../image/digest.ts";
import { readStoredText, storedNames, type Problems } from "./stored-file.ts";
import type { StoredLayer } from "./stored-image.ts";

/** A container's layer, as `layerdb/mounts` tells of it. */
export interface StoredMount {
  /** The graph's names of the container's device, and of the one between it and the image. */
  device: string;
  initDevice: string | undefined;
  /** Chain ID of the image's top layer. */
  parent: Digest | undefined;
}

/** Reads `layerdb/sha256`: the layers, by chain ID. One that cannot be used is left out and noted. */
export function readLayers(layerdb: string, problems: Problems): Map<Digest, StoredLayer> {
  const layers = new Map<Digest, StoredLayer>();
  for (const name of storedNames(join(layerdb, "sha256"), "The layers", problems)) {
    const chainId = `sha256:${name}`;
    if (!isDigest(chainId)) continue;
    const layer = readLayer(join(layerdb, "sha256", name), chainId, problems);
    if (layer !== undefined) layers.set(chainId, layer);
  }
  return layers;
}

function readLayer(folder: string, chainId: Digest, problems: Problems): StoredLayer | undefined {
  const what = `Layer ${chainId}`;
  const text = (name: string): string | undefined => readStoredText(join(folder, name), what, problems)?.trim();
  const diffId = text("diff");
  const device = text("cache-id");
  const parent = text("parent");
  if (diffId === undefined || !isDigest(diffId)) {
    problems.push(
      `${what}: '${join(folder, "diff")}' is ${diffId === undefined ? "missing" : "damaged: it is no digest"}`,
    );
    return undefined;
  }
  if (device === undefined || !isDeviceName(device)) {
    problems.push(`${what}: '${join(folder, "cache-id")}' is ${device === undefined ? "missing" : "damaged"}`);
    return undefined;
  }
  if (parent !== undefined && !isDigest(parent)) {
    problems.push(`${what}: '${join(folder, "parent")}' is damaged: it is no digest`);
    return undefined;
  }
  const tarRecord = join(folder, "tar-split.json.gz");
  const size = text("size");
  return {
    key: chainId,
    diffId,
    parent,
    device,
    contentBytes: size !== undefined && /^\d{1,15}$/.test(size) ? Number(size) : undefined,
    tarRecord: existsSync(tarRecord) ? tarRecord : undefined,
  };
}

/** Reads `layerdb/mounts/<container>`; undefined, and noted, when it is missing or damaged. */
export function readMount(
  layerdb: string,
  container: string,
  what: string,
  problems: Problems,
): StoredMount | undefined {
  const folder = join(layerdb, "mounts", container);
  const text = (name: string): string | undefined => readStoredText(join(folder, name), what, problems)?.trim();
  const device = text("mount-id");
  if (device === undefined || !isDeviceName(device)) {
    problems.push(`${what}: '${join(folder, "mount-id")}' is ${device === undefined ? "missing" : "damaged"}`);
    return undefined;
  }
  const initDevice = text("init-id");
  return {
    device,
    initDevice: initDevice !== undefined && isDeviceName(initDevice) ? initDevice : undefined,
    parent: text("parent"),
  };
}

/** Nothing else may become part of a path. */
function isDeviceName(name: string): boolean {
  return /^[0-9a-zA-Z][0-9a-zA-Z_.-]{0,127}$/.test(name);
}
