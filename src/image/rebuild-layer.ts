import { createHash } from "node:crypto";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import { rebuildTar } from "../layer/rebuild-tar.ts";
import type { FoundImage } from "./find-image.ts";
import type { ImageContext } from "./image-context.ts";
import type { LayerRecord } from "./records.ts";
import { StoreError } from "./store-error.ts";

/** A layer's tar, put together again byte for byte; its last step is an error when it is not what its digest names. */
export async function* rebuildLayer(
  { devices, files }: ImageContext,
  image: Pick<FoundImage, "id" | "reference">,
  layer: LayerRecord,
): AsyncGenerator<Buffer> {
  const path = await devices.get(layer.device, { readOnly: true, forNow: true });
  try {
    const root = MountedFolder.top(path);
    try {
      yield* checkedTar(rebuildTar(files.layerTarRecord(layer.chainId), root), image, layer);
    } finally {
      root.close();
    }
  } finally {
    await devices.put(layer.device);
  }
}

async function* checkedTar(
  tar: AsyncIterable<Buffer>,
  image: Pick<FoundImage, "id" | "reference">,
  layer: LayerRecord,
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  for await (const chunk of tar) {
    hash.update(chunk);
    yield chunk;
  }
  if (`sha256:${hash.digest("hex")}` === layer.diffId) return;
  throw new StoreError(
    "damaged",
    `Cannot read image ${image.reference ?? image.id}: the files of layer ${layer.diffId} are not as they were; ` +
      "import the image again",
  );
}
