import type { ImageContext } from "./image-context.ts";
import type { ImageDevices } from "./image-devices.ts";
import { ImportMarks } from "./import-marks.ts";
import { PendingDevices } from "./pending-devices.ts";
import { settleStore } from "./settle-store.ts";
import { StoreFiles } from "./store-files.ts";
import { StoreLocks } from "./store-locks.ts";
import { Store } from "./store.ts";

/** What the store's operations work with, of a graph that is open. */
export function imageContext<Devices extends ImageDevices>(devices: Devices): ImageContext & { devices: Devices } {
  const files = new StoreFiles(devices.root);
  files.prepare();
  const locks = new StoreLocks(files.lockFile);
  const pending = new PendingDevices(files, locks, devices);
  const imports = new ImportMarks(files, locks);
  return { devices, files, locks, pending, imports };
}

/** Opens the images and containers of a graph, and settles what a crash left half done. */
export async function openImageStore(devices: ImageDevices): Promise<Store> {
  const context = imageContext(devices);
  await settleStore(context);
  return new Store(context);
}
