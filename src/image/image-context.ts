import type { ImageDevices } from "./image-devices.ts";
import type { ImportMarks } from "./import-marks.ts";
import type { PendingDevices } from "./pending-devices.ts";
import type { StoreFiles } from "./store-files.ts";
import type { StoreLocks } from "./store-locks.ts";

/** What the store's operations work with. */
export interface ImageContext {
  devices: ImageDevices;
  files: StoreFiles;
  locks: StoreLocks;
  pending: PendingDevices;
  imports: ImportMarks;
}
