import { randomBytes } from "node:crypto";
import { isContainerName } from "./find-container.ts";
import { findImage, layersOf } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import { StoreError } from "./store-error.ts";
import type { StoreFiles } from "./store-files.ts";
import type { CreateOptions } from "./types.ts";

/** Makes a container: a snapshot of the image's top layer, with a name. Its device is named as its ID. */
export async function createContainer(
  { devices, files, locks, pending }: ImageContext,
  imageName: string,
  options: CreateOptions,
): Promise<{ id: string; name: string }> {
  const image = findImage(files, imageName);
  const id = randomBytes(32).toString("hex");
  const name = options.name ?? id.slice(0, 12);
  if (!isContainerName(name)) {
    throw new StoreError(
      "invalid",
      `Cannot name a container '${name}': only letters, digits, "_", "." and "-" are allowed, at most 128, and the first ` +
        "must be a letter or a digit",
    );
  }
  requireFreeName(files, name);
  const top = layersOf(files, image).at(-1);
  return pending.during({ owner: "container", device: id }, async (claimed) => {
    await devices.create(id, top?.device, options.sizeBytes === undefined ? {} : { sizeBytes: options.sizeBytes });
    await locks.records(() => {
      requireFreeName(files, name);
      if (files.imageConfig(image.id) === undefined) {
        throw new StoreError("not-found", `Cannot make container ${name}: image ${imageName} was removed meanwhile`);
      }
      files.writeContainer({
        id,
        name,
        device: id,
        imageId: image.id,
        image: image.reference ?? image.id,
        created: new Date().toISOString(),
        ...(options.sizeBytes !== undefined && { sizeBytes: options.sizeBytes }),
      });
      claimed();
    });
    return { id, name };
  });
}

function requireFreeName(files: StoreFiles, name: string): void {
  const holder = files.containerIdOfName(name);
  if (holder === undefined) return;
  throw new StoreError("exists", `Cannot name a container '${name}': container ${holder.slice(0, 12)} has that name`);
}
