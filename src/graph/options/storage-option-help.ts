/** What documentation says of one storage option, or of some that go together. Commands and values stand in backticks. */
export interface StorageOptionHelp {
  /** Without "dm.". */
  readonly keys: readonly string[];
  /** Left out where the option is off without a value. */
  readonly defaultValue?: string;
  /** Begins small and ends without a full stop; of those that begin with "…", the one before says when they count. */
  readonly help: string;
}

/** Every option that `parseStorageOptions` reads, by what it is about: manual page and docs/options.md are made from this. */
export const storageOptionHelp: Readonly<Record<string, readonly StorageOptionHelp[]>> = {
  "Sizes and file system": [
    {
      keys: ["basesize"],
      defaultValue: "`10G`",
      help: "size of the base device, so of every image and container. Thin: an empty 10G device holds a few megabytes. Larger later: base device and its file system grow at the next start, and new layers and containers with them (ext4 while it is mounted, or, for who lacks CAP_SYS_RESOURCE, unmounted, after e2fsck). Smaller is refused",
    },
    {
      keys: ["loopdatasize"],
      defaultValue: "`100G`",
      help: "size of the sparse file that holds the pool's data. Grows at the next start; not shrunk (a warning)",
    },
    {
      keys: ["loopmetadatasize"],
      defaultValue: "`2G`",
      help: "the same for the pool's metadata",
    },
    {
      keys: ["fs"],
      defaultValue: "`ext4`",
      help: "`ext4` or `xfs`. Once a base device exists, its file system wins (a warning)",
    },
    {
      keys: ["mkfsarg"],
      help: "another argument for mkfs of the base device; may be given several times",
    },
    {
      keys: ["mountopt"],
      help: "more mount options, comma-separated, for containers and layers",
    },
    {
      keys: ["blocksize"],
      defaultValue: "`64K`",
      help: "block size of the pool, 64K to 1G in steps of 64K: what is allocated, shared and copied at once. Settled when the pool is made",
    },
    {
      keys: ["xfs_nospace_max_retries"],
      help: "with XFS: how often it tries again when the pool has no space left; written to sysfs of the mounted device. 0: give up at once; -1: for ever",
    },
  ],
  "What the pool stands on": [
    {
      keys: ["datadev", "metadatadev"],
      help: "block devices for data and metadata instead of the sparse files; one of each is possible too. One that is mounted, that LVM or another mapped device stands on, or that is another pool's, is refused. A metadata device that holds something else than a pool is refused too: `dd if=/dev/zero of=DEVICE bs=4096 count=1` makes it a new one",
    },
    {
      keys: ["thinpooldev"],
      help: "use this thin pool, which someone else made: with LVM (VG/POOL is called `VG-POOL`), or dmsetup. `/dev/mapper/` may be left off. It is never stopped, and devices in it that are not the graph's are left alone; its block size is the pool's. In user space only pools that Mica runs there are known",
    },
    {
      keys: ["directlvm_device"],
      help: "have LVM set up a pool on this block device, once: volume group `docker`, thin pool `thinpool`, blocks of 512K. Needs the kernel's device mapper and the package lvm2. A device in a volume group, or in use, is refused, and one that holds data unless forced. Not together with `dm.thinpooldev`, `dm.datadev`, `dm.metadatadev`",
    },
    {
      keys: ["directlvm_device_force"],
      defaultValue: "`false`",
      help: "… wipe what is on it first",
    },
    {
      keys: ["thinp_percent", "thinp_metapercent"],
      defaultValue: "`95`, `1`",
      help: "… share of the device for data and for metadata; both or neither, together at most 100",
    },
    {
      keys: ["thinp_autoextend_threshold", "thinp_autoextend_percent"],
      defaultValue: "`80`, `20`",
      help: "… when and by how much LVM grows the pool, written to the profile `docker-thinpool`; it is dmeventd (package dmeventd) that does it",
    },
  ],
  "Space and removal": [
    {
      keys: ["min_free_space"],
      defaultValue: "`10%`",
      help: "with less than this free, of data or of metadata, no new device is made, so that what is there can go on. `0%` turns it off",
    },
    {
      keys: ["blkdiscard"],
      defaultValue: "`true` on the sparse files, `false` on devices",
      help: "give a device's blocks back before it is removed: the space returns to the host at once",
    },
    {
      keys: ["use_deferred_removal"],
      defaultValue: "`true` where supported",
      help: "a device that is in use when it is to be deactivated goes when its last user lets go",
    },
    {
      keys: ["use_deferred_deletion"],
      defaultValue: "`true` where removal is deferred",
      help: "a device that is in use when it is to be removed is marked, and removed later; needs deferred removal",
    },
  ],
  "Of the kernel's device mapper": [
    {
      keys: ["override_udev_sync_check"],
      defaultValue: "`false`",
      help: "use the kernel's device mapper even though udev is not in sync. In user space there is nothing to sync with",
    },
    {
      keys: ["libdm_log_level"],
      defaultValue: "`2`",
      help: "how much of libdevmapper's messages goes to the log: 2 (fatal) to 7 (debug). On the command line, MICA_DEBUG=1 shows those below a warning",
    },
  ],
};
