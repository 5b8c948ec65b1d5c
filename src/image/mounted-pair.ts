import type { ImageDevices } from "./image-devices.ts";

/**
 * Mounts a device and, if it has one, the layer below it, for the time of a function; only for reading, where they are not
 * mounted otherwise.
 */
export async function withMountedPair<T>(
  devices: ImageDevices,
  device: string,
  parent: string | undefined,
  task: (root: string, parentRoot: string | undefined) => Promise<T>,
): Promise<T> {
  return withMounted(devices, device, (root) =>
    parent === undefined ? task(root, undefined) : withMounted(devices, parent, (parentRoot) => task(root, parentRoot)),
  );
}

/** Mounts a device for reading for the time of a function. */
export async function withMounted<T>(
  devices: ImageDevices,
  device: string,
  task: (root: string) => Promise<T>,
): Promise<T> {
  const root = await devices.get(device, { readOnly: true });
  try {
    return await task(root);
  } finally {
    await devices.put(device);
  }
}
