import { findContainer } from "./find-container.ts";
import type { ImageContext } from "./image-context.ts";
import { StoreError } from "./store-error.ts";

/** Removes a container and its device, and the one below that is its alone. @throws StoreError in-use while it is mounted or exported */
export async function removeContainer(
  { devices, files, locks, pending }: ImageContext,
  nameOrId: string,
): Promise<void> {
  const { id, name, device } = findContainer(files, nameOrId);
  const { mountPoint, exportSocket } = (await devices.device(device)) ?? {};
  if (mountPoint !== undefined) {
    throw new StoreError(
      "in-use",
      `Cannot remove container ${name}: it is mounted on '${mountPoint}'; unmount it first`,
    );
  }
  if (exportSocket !== undefined) {
    throw new StoreError(
      "in-use",
      `Cannot remove container ${name}: it is exported by NBD on '${exportSocket}'; detach it first`,
    );
  }
  const marks = await locks.records(() => {
    const record = files.container(id);
    if (record === undefined) return []; // someone else removes it at this moment
    const placed = [pending.mark({ owner: "container", device })];
    if (record.below !== undefined) placed.push(pending.mark({ owner: "container", device: record.below }));
    files.deleteContainer(record);
    return placed;
  });
  for (const mark of marks) await pending.settle(mark);
}
