import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { ImageContext } from "./image-context.ts";
import type { LayerRecord } from "./records.ts";

/** A layer but for its device. */
export type FilledLayer = Omit<LayerRecord, "device">;

/**
 * Makes a layer: a device, filled, and its record. When it fails nothing of it is left. When another process has made the
 * same layer meanwhile, that one is the layer, and this one's device goes.
 *
 * @param make makes the device of the given name, fills it, and writes the file that its tar can be rebuilt from; what it
 *   wrote to the device must be on disk when it resolves
 */
export async function addLayer(
  context: ImageContext,
  make: (device: string, tarRecord: string) => Promise<FilledLayer>,
): Promise<LayerRecord> {
  const { files, locks, pending } = context;
  const device = randomBytes(32).toString("hex");
  const tarRecord = join(files.temporaryFolder, `${process.pid}-${device.slice(0, 16)}`);
  try {
    return await pending.during({ owner: "layer", device }, async (claimed) => {
      const filled = await make(device, tarRecord);
      return locks.records(() => {
        const existing = files.layer(filled.chainId);
        if (existing !== undefined) return existing;
        const record = { ...filled, device };
        files.addLayer(record, tarRecord);
        claimed();
        return record;
      });
    });
  } finally {
    rmSync(tarRecord, { force: true });
  }
}
