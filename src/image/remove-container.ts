import { findContainer } from "./find-container.ts";
import type { ImageContext } from "./image-context.ts";
import { StoreError } from "./store-error.ts";

/** Removes a container and its device. @throws StoreError in-use while it is mounted */
export async function removeContainer(
  { devices, files, locks, pending }: ImageContext,
  nameOrId: string,
): Promise<void> {
  const { id, name } = findContainer(files, nameOrId);
  const mountPoint = (await devices.device(id))?.mountPoint;
  if (mountPoint !== undefined) {
    throw new StoreError(
      "in-use",
      `Cannot remove container ${name}: it is mounted on '${mountPoint}'; unmount it first`,
    );
  }
  const mark = await locks.records(() => {
    const record = files.container(id);
    if (record === undefined) return undefined; // someone else removes it at this moment
    const placed = pending.mark({ owner: "container", device: id });
    files.deleteContainer(record);
    return placed;
  });
  if (mark !== undefined) await pending.settle(mark);
}
