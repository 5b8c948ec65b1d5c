import { randomBytes } from "node:crypto";
import { requireContainerName, requireFreeName } from "./container-name.ts";
import { findContainer } from "./find-container.ts";
import type { ImageContext } from "./image-context.ts";

/**
 * Makes a snapshot of a container: a container of the same image that stays as it is, with an identity of its own, for increments to begin at. The
 * container may be mounted: what its file system has in memory is written out first.
 */
export async function snapshotContainer(
  { devices, files, locks, pending }: ImageContext,
  container: string,
  name: string,
): Promise<{ id: string; name: string; snapshot: string }> {
  requireContainerName(name);
  requireFreeName(files, name);
  const origin = findContainer(files, container);
  const id = randomBytes(32).toString("hex");
  const snapshot = origin.snapshot ?? randomBytes(32).toString("hex");
  return pending.during({ owner: "container", device: id }, async (claimed) => {
    await devices.create(id, origin.device);
    await devices.seal(id);
    await locks.records(() => {
      requireFreeName(files, name);
      files.writeContainer({ ...origin, id, name, device: id, created: new Date().toISOString(), snapshot });
      claimed();
    });
    return { id, name, snapshot };
  });
}
