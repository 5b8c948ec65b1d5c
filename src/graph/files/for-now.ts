import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GraphContext } from "../graph-context.ts";

type Root = Pick<GraphContext, "root">;

const [beginning, ending] = [".", ".for-now"];

/**
 * Says, before a device is mounted, that it is only for a moment's reading: found mounted with nobody at it, it is nobody's, and whoever
 * finds it unmounts it. The mark goes when somebody mounts the device for longer, and when it is unmounted. Without a mount it says nothing.
 */
export function markForNow(context: Root, id: string): void {
  writeFileSync(markOf(context, id), "");
}

export function isForNow(context: Root, id: string): boolean {
  return existsSync(markOf(context, id));
}

export function forgetForNow(context: Root, id: string): void {
  // Mostly there is none, and to look costs less than to try.
  if (isForNow(context, id)) rmSync(markOf(context, id), { force: true });
}

/** The devices that have the mark. */
export function markedForNow({ root }: Root): string[] {
  return readdirSync(join(root, "mnt"))
    .filter((name) => name.startsWith(beginning) && name.endsWith(ending))
    .map((name) => name.slice(beginning.length, -ending.length));
}

function markOf({ root }: Root, id: string): string {
  return join(root, "mnt", `${beginning}${id}${ending}`);
}
