import { isClaimedByEngine, kernelUserOf } from "../../block-device/device-users.ts";
import type { BlockFile } from "../../persistent-data/block-file.ts";
import { openReadAheadFile } from "../../persistent-data/read-ahead-file.ts";
import { requireDevice } from "./require-device.ts";

/** Whether the pool may be running meanwhile: a metadata snapshot does not change. */
export type Liveness = "stopped" | "live";

/** Opens metadata to be read. @throws Error when it is not there, is no metadata by its size, or a pool that uses it runs and `liveness` does not allow for that */
export function openToRead(path: string, liveness: Liveness): BlockFile {
  requireDevice(path, "read");
  if (liveness === "stopped") {
    const user = isClaimedByEngine(path) ? "a pool runs on it" : kernelUserOf(path);
    if (user !== undefined) {
      throw new Error(
        `Cannot read ${path}: ${user}. Stop that first, or reserve a metadata snapshot and read it (--metadata-snap).`,
      );
    }
  }
  const file = openReadAheadFile(path);
  if (file.sizeBlocks() > 0) return file;
  file.close();
  throw new Error(`Cannot read ${path}: it is smaller than a block of metadata. Is it a metadata device?`);
}
