import type { TreeFolder } from "../file-system/file-tree.ts";

/** What to do about blocks that are lost: fail where one is read, or read zeroes in their place. */
export type WhenLost = "fail" | "zeroes";

/** Where the root file systems of the graph's devices are read. */
export interface RootfsSource {
  /**
   * Opens the root file system on a device.
   *
   * @param device the graph's name of it
   * @throws Error saying why it cannot be read
   */
  rootfs(device: string, whenLost: WhenLost): Promise<Rootfs>;
}

/** A root file system, open for reading. */
export interface Rootfs {
  top: TreeFolder;
  close(): Promise<void>;
}

/** Opens one or two root file systems, does the work, and closes them whatever happened. */
export async function withRootfs<T>(
  source: RootfsSource,
  devices: readonly [string, (string | undefined)?],
  work: (root: TreeFolder, below: TreeFolder | undefined) => Promise<T>,
  whenLost: WhenLost = "fail",
): Promise<T> {
  const [device, belowDevice] = devices;
  const root = await source.rootfs(device, whenLost);
  try {
    if (belowDevice === undefined) return await work(root.top, undefined);
    const below = await source.rootfs(belowDevice, whenLost);
    try {
      return await work(root.top, below.top);
    } finally {
      await below.close();
    }
  } finally {
    await root.close();
  }
}
