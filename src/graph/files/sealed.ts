import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GraphContext } from "../graph-context.ts";
import { syncFolder } from "./json-file.ts";

type Root = Pick<GraphContext, "root">;

/** Says, for as long as there is the device, that it stays as it is: nobody mounts it or gets its block device. Durable when it returns. */
export function sealDevice(context: Root, id: string): void {
  writeFileSync(markOf(context, id), "");
  syncFolder(join(context.root, "mnt"));
}

export function isSealed(context: Root, id: string): boolean {
  return existsSync(markOf(context, id));
}

/** Only for who removes the device. */
export function forgetSeal(context: Root, id: string): void {
  if (isSealed(context, id)) rmSync(markOf(context, id), { force: true });
}

function markOf({ root }: Root, id: string): string {
  return join(root, "mnt", `.${id}.sealed`);
}
