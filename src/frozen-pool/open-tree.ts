import { openExt4 } from "../file-system/ext4/ext4-tree.ts";
import { UnsupportedFileSystem } from "../file-system/file-system-error.ts";
import { fileSystemKind } from "../file-system/file-system-kind.ts";
import type { FileTree } from "../file-system/file-tree.ts";
import { mountedTree } from "../file-system/mounted-folder.ts";
import { FrozenPoolError } from "./frozen-pool-error.ts";
import type { FrozenPool } from "./frozen-pool.ts";
import { mountFrozen } from "./mount-frozen.ts";

/** A device of a stopped pool; its size is in the graph, or whatever made it. */
export interface DeviceOfPool {
  readonly deviceId: number;
  readonly sizeBytes: number;
}

/**
 * Opens the file system on a device of a stopped pool, for reading: ext4 by our own reader, which needs no privilege; XFS by
 * the kernel's, mounted for as long as the tree is open, which needs root. Either is seen as after its log's replay, and of
 * the pool nothing is written.
 *
 * @throws UnsupportedFileSystem when the device holds no file system that is known; FrozenPoolError EPERM for XFS without
 *   root; FileSystemDamage
 */
export async function openTree(pool: FrozenPool, { deviceId, sizeBytes }: DeviceOfPool): Promise<FileTree> {
  const volume = pool.volume(deviceId, sizeBytes);
  const kind = fileSystemKind(volume);
  if (kind === "ext4") return openExt4(volume);
  if (kind === undefined) {
    throw new UnsupportedFileSystem(
      `Cannot read thin device ${deviceId}: it holds no file system that is known here (ext4 and XFS are)`,
    );
  }
  if (process.getuid?.() !== 0) {
    throw new FrozenPoolError(
      "EPERM",
      `Cannot read thin device ${deviceId}: XFS needs root, for the kernel reads it; run this as root (ext4 needs no root)`,
    );
  }
  const mounted = await mountFrozen({ ...pool.files, deviceId, sizeBytes, fsType: kind });
  return { top: () => mountedTree(mounted.path).top(), close: () => mounted.close() };
}
