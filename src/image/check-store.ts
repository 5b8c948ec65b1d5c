import { existsSync } from "node:fs";
import { sha256 } from "./digest.ts";
import { findImage, layersOf } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";

/** What is wrong between the store's records and the graph's devices, a line each; what a crash left is not wrong but settled. */
export async function checkStore({ devices, files }: ImageContext): Promise<string[]> {
  const problems: string[] = [];
  const attempt = (task: () => void): void => {
    try {
      task();
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  };
  const present = new Set((await devices.devices()).filter(({ deleted }) => !deleted).map(({ id }) => id));
  attempt(() => {
    for (const { chainId, device, parent } of files.layers()) {
      if (!present.has(device)) problems.push(`Layer ${chainId} has no device: ${device} is missing`);
      if (!existsSync(files.layerTarRecord(chainId)))
        problems.push(`Layer ${chainId} cannot be saved: its tar's record is missing`);
      if (parent !== undefined && files.layer(parent) === undefined)
        problems.push(`Layer ${chainId} has lost its parent ${parent}`);
    }
  });
  for (const id of files.imageIds()) {
    attempt(() => {
      const bytes = files.imageConfig(id);
      if (bytes !== undefined && sha256(bytes) !== id)
        problems.push(`Image ${id} is damaged: its configuration has another digest`);
      else layersOf(files, findImage(files, id));
    });
  }
  attempt(() => {
    for (const [name, id] of Object.entries(files.references())) {
      if (files.imageConfig(id) === undefined) problems.push(`Name ${name} leads to image ${id}, which is missing`);
    }
  });
  for (const id of files.containerIds()) {
    attempt(() => {
      const container = files.container(id);
      if (container === undefined) return;
      for (const device of [container.device, container.below ?? container.device]) {
        if (present.has(device)) continue;
        problems.push(`Container ${container.name} has no device: ${device} is missing; remove the container`);
        break;
      }
      if (container.received !== true && files.imageConfig(container.imageId) === undefined) {
        problems.push(`Container ${container.name} has lost its image ${container.imageId}`);
      }
    });
  }
  return problems;
}
