import { openSync } from "node:fs";
import { isClaimedByEngine, kernelUserOf } from "../../block-device/device-users.ts";
import { isBlockDevice } from "../../linux/block-device.ts";
import { errorCode } from "../../linux/system-error.ts";

/**
 * Opens a file for a tool's output that is no metadata: it is made, or all that is in it is lost.
 *
 * @param existing `keep`: refuse a file that is there
 * @throws Error for a block device, on which XML is never meant, and for a file in which a pool has its data or metadata
 */
export function openOutputFile(path: string, existing: "overwrite" | "keep" = "overwrite"): number {
  if (isBlockDevice(path)) throw new Error(`Cannot write to ${path}: it is a block device, and the output is a file`);
  const user = isClaimedByEngine(path) ? "a pool runs on it" : kernelUserOf(path);
  if (user !== undefined) throw new Error(`Cannot write to ${path}: ${user}. Name another file.`);
  try {
    return openSync(path, existing === "keep" ? "wx" : "w");
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    throw new Error(`Cannot write to ${path}: it is there already. Give --force to write over it.`, { cause: error });
  }
}
