import { openSync, statSync } from "node:fs";
import { isClaimedByEngine, kernelUserOf } from "../../block-device/device-users.ts";
import { errorCode } from "../../linux/system-error.ts";

/** What becomes of a file that is there: it loses all that is in it, keeps it, or is refused. */
export type ExistingFile = "overwrite" | "append" | "refuse";

const flags = { overwrite: "w", append: "a", refuse: "wx" } as const;

const reasons: Readonly<Partial<Record<string, string>>> = {
  EEXIST: "it is there already. Give --force to write over it.",
  ENOENT: "there is no such folder",
  ENOTDIR: "there is no such folder",
  EISDIR: "it is a folder",
};

/**
 * Opens a file for a tool's output. It is made where it is not there.
 *
 * @throws Error for a block device, and for a file in which a pool has its data or metadata
 */
export function openOutputFile(path: string, existing: ExistingFile = "overwrite"): number {
  try {
    refuseDevices(path);
    return openSync(path, flags[existing]);
  } catch (error) {
    const reason = reasons[errorCode(error) ?? ""];
    if (reason === undefined) throw error;
    throw new Error(`Cannot write to ${path}: ${reason}`, { cause: error });
  }
}

function refuseDevices(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isBlockDevice() === true) {
    throw new Error(`Cannot write to ${path}: it is a block device, and the output is a file`);
  }
  // A pipe is nobody's data, and to open it to see who holds it would wait.
  if (stat?.isFile() !== true) return;
  const user = isClaimedByEngine(path) ? "a pool runs on it" : kernelUserOf(path);
  if (user !== undefined) throw new Error(`Cannot write to ${path}: ${user}. Name another file.`);
}
