import type { TreeFolder } from "../file-system/file-tree.ts";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import type { ImageDevices } from "./image-devices.ts";

/**
 * Mounts a device and, if it has one, the layer below it, for the time of a function; only for reading, where they are not
 * mounted otherwise.
 */
export async function withMountedPair<T>(
  devices: ImageDevices,
  device: string,
  parent: string | undefined,
  task: (root: TreeFolder, parentRoot: TreeFolder | undefined) => Promise<T>,
): Promise<T> {
  return withMounted(devices, device, (root) =>
    parent === undefined ? task(root, undefined) : withMounted(devices, parent, (parentRoot) => task(root, parentRoot)),
  );
}

/** Mounts a device for reading for the time of a function, which is given its top folder. */
export async function withMounted<T>(
  devices: ImageDevices,
  device: string,
  task: (root: TreeFolder) => Promise<T>,
): Promise<T> {
  const path = await devices.get(device, { readOnly: true, forNow: true });
  try {
    const root = MountedFolder.top(path);
    try {
      return await task(root);
    } finally {
      root.close();
    }
  } finally {
    await devices.put(device);
  }
}
