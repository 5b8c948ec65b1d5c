import { statSync } from "node:fs";
import { join } from "node:path";
import type { GraphContext } from "../graph-context.ts";

/** Where a device is mounted: the container's files are in `rootfs` below. */
export function mountPointOf(context: Pick<GraphContext, "root">, id: string): string {
  return join(context.root, "mnt", id);
}

/** Whether something is mounted on a device's mount point. */
export function isDeviceMounted(context: Pick<GraphContext, "root">, id: string): boolean {
  const inside = statSync(mountPointOf(context, id), { throwIfNoEntry: false });
  return inside !== undefined && inside.dev !== statSync(context.root).dev;
}
