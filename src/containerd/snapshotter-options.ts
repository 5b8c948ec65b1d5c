import { createHash } from "node:crypto";
import type { DeviceFormat } from "../graph/devices/formatted-device.ts";
import type { SpaceOnRemoval } from "../graph/devices/removal.ts";
import { parseSize } from "../graph/options/size.ts";
import type { StorageOptions } from "../graph/options/storage-options.ts";

/** The snapshotter's options, in the names that users of containerd's devmapper snapshotter know. What is left out is as the graph has it. */
export interface SnapshotterOptions {
  /** Size of a snapshot that begins empty, and so of all that descend from it, such as "10GB"; default dm.basesize. */
  base_image_size?: string;
  /** Default dm.fs. */
  fs_type?: "ext4" | "xfs";
  /** For mkfs: arguments ("-O ^has_journal"), or, for ext4, what follows -E ("lazy_itable_init=1"); default dm.mkfsarg. */
  fs_options?: string;
  /** Removed snapshots give their space back when containerd's garbage collection has done with all of them; default false. */
  async_remove?: boolean;
  /** The blocks of a removed snapshot are discarded, so that the host has them back; default dm.blkdiscard. */
  discard_blocks?: boolean;
}

/** The options in force. */
export interface SnapshotterSettings {
  /** What a snapshot without a parent begins as. */
  base: DeviceFormat;
  asyncRemove: boolean;
  space: SpaceOnRemoval;
}

/** @throws GraphError EINVAL for a size that is none */
export function snapshotterSettings(options: SnapshotterOptions, graph: StorageOptions): SnapshotterSettings {
  const fileSystem = options.fs_type ?? graph.fileSystem;
  const discard = options.discard_blocks ?? graph.blkDiscard;
  return {
    base: {
      sizeBytes:
        options.base_image_size === undefined
          ? graph.baseSizeBytes
          : parseSize(options.base_image_size, "base_image_size"),
      fileSystem,
      mkfsArguments: mkfsArguments(options, fileSystem, graph),
      contents: "nothing",
    },
    asyncRemove: options.async_remove ?? false,
    space: discard ? "discard" : "keep",
  };
}

function mkfsArguments({ fs_options: text }: SnapshotterOptions, fileSystem: string, graph: StorageOptions): string[] {
  if (text === undefined) return fileSystem === graph.fileSystem ? graph.mkfsArguments : [];
  if (text.trim() === "") return [];
  return [fileSystem === "ext4" && !text.trim().startsWith("-") ? `-E ${text.trim()}` : text];
}

/** A name for what a format describes: the same for the same one. */
export function formatName({ sizeBytes, fileSystem, mkfsArguments }: DeviceFormat): string {
  return createHash("sha256")
    .update(JSON.stringify([sizeBytes, fileSystem, mkfsArguments]))
    .digest("hex")
    .slice(0, 12);
}
