import { existsSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode } from "../../linux/system-error.ts";
import type { GraphContext } from "../graph-context.ts";

type Root = Pick<GraphContext, "root">;

/**
 * Says that a device is to stay as it is, mounted or active, for somebody who is no process with the graph open: `mica mount`, or
 * `mica attach`, has ended. Whoever mounts or unmounts the device afterwards takes it over.
 */
export function leaveInPlace(context: Root, id: string): void {
  writeFileSync(markOf(context, id), "");
}

export function isLeftInPlace(context: Root, id: string): boolean {
  return existsSync(markOf(context, id));
}

export function forgetLeftInPlace(context: Root, id: string): void {
  // Mostly there is none, and to look costs less than to try.
  if (!isLeftInPlace(context, id)) return;
  try {
    unlinkSync(markOf(context, id));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

function markOf({ root }: Root, id: string): string {
  return join(root, "mnt", `.${id}.left-mounted`);
}
