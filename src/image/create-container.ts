import { randomBytes } from "node:crypto";
import { requireContainerName, requireFreeName } from "./container-name.ts";
import { findContainer } from "./find-container.ts";
import { findImage, layersOf } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import type { ContainerRecord } from "./records.ts";
import { StoreError } from "./store-error.ts";
import type { StoreFiles } from "./store-files.ts";
import type { CreateOptions } from "./types.ts";

/** What a container begins as. */
interface Beginning {
  /** The device that it is a snapshot of; undefined: the base. */
  device: string | undefined;
  /** What its record has of it. */
  record: Omit<ContainerRecord, "id" | "name" | "device" | "created" | "sizeBytes">;
}

/** Makes a container of an image, or of a snapshot of a container: a device that begins as it, with a name. Its device is named as its ID. */
export async function createContainer(
  { devices, files, locks, pending }: ImageContext,
  origin: string,
  options: CreateOptions,
): Promise<{ id: string; name: string }> {
  const { device, record } = beginning(files, origin);
  const id = randomBytes(32).toString("hex");
  const name = options.name ?? id.slice(0, 12);
  requireContainerName(name);
  requireFreeName(files, name);
  return pending.during({ owner: "container", device: id }, async (claimed) => {
    await devices.create(id, device, options.sizeBytes === undefined ? {} : { sizeBytes: options.sizeBytes });
    await locks.records(() => {
      requireFreeName(files, name);
      if (record.received !== true && files.imageConfig(record.imageId) === undefined) {
        throw new StoreError("not-found", `Cannot make container ${name}: image ${origin} was removed meanwhile`);
      }
      files.writeContainer({
        ...record,
        id,
        name,
        device: id,
        created: new Date().toISOString(),
        ...(options.sizeBytes !== undefined && { sizeBytes: options.sizeBytes }),
      });
      claimed();
    });
    return { id, name };
  });
}

/** An image has precedence over a snapshot of the same name. */
function beginning(files: StoreFiles, origin: string): Beginning {
  try {
    const image = findImage(files, origin);
    const record = { imageId: image.id, image: image.reference ?? image.id };
    return { device: layersOf(files, image).at(-1)?.device, record };
  } catch (error) {
    const snapshot =
      error instanceof StoreError && error.code === "not-found" ? findSnapshot(files, origin) : undefined;
    if (snapshot === undefined) throw error;
    const { device, imageId, image, below, config, received } = snapshot;
    return { device, record: { imageId, image, below, config, received } };
  }
}

function findSnapshot(files: StoreFiles, nameOrId: string): ContainerRecord | undefined {
  try {
    const record = findContainer(files, nameOrId);
    return record.snapshot === undefined ? undefined : record;
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}
