import type { DirectLvmOptions } from "./direct-lvm-options.ts";

/** A file system a base device can have. */
export type FileSystemType = "ext4" | "xfs";

/** Every `dm.*` option after parsing, with its default where none was given. Sizes in bytes. */
export interface StorageOptions {
  /** dm.thinpooldev: name of an existing pool, without `/dev/mapper/`. */
  thinPoolDevice: string | undefined;
  /** dm.basesize */
  baseSizeBytes: number;
  /** dm.loopdatasize */
  loopDataSizeBytes: number;
  /** dm.loopmetadatasize */
  loopMetadataSizeBytes: number;
  /** dm.fs */
  fileSystem: FileSystemType;
  /** dm.mkfsarg, in the order given; each may hold several words. */
  mkfsArguments: string[];
  /** dm.mountopt: comma-separated, as mount -o takes them. */
  mountOptions: string;
  /** dm.datadev */
  dataDevice: string | undefined;
  /** dm.metadatadev */
  metadataDevice: string | undefined;
  /** dm.blocksize */
  blockSizeBytes: number;
  /** dm.blkdiscard: by default true on loopback files and false on devices. */
  blkDiscard: boolean;
  /** dm.override_udev_sync_check */
  overrideUdevSyncCheck: boolean;
  /** dm.use_deferred_removal; undefined: where supported. */
  useDeferredRemoval: boolean | undefined;
  /** dm.use_deferred_deletion; undefined: where deferred removal is in use. */
  useDeferredDeletion: boolean | undefined;
  /** dm.min_free_space, in per cent; 0 turns the check off. */
  minFreeSpacePercent: number;
  /** dm.xfs_nospace_max_retries */
  xfsNospaceMaxRetries: number | undefined;
  /** dm.libdm_log_level */
  libdmLogLevel: number;
  /** dm.directlvm_device and dm.thinp_*; undefined where none of them was given. */
  directLvm: DirectLvmOptions | undefined;
  /** The options that were given, now or when the graph was made, by key without `dm.`: what is not here is a default. */
  given: ReadonlyMap<string, string[]>;
}
