import assert from "node:assert/strict";
import { test } from "node:test";
import { parseStorageOptions } from "./parse-storage-options.ts";
import type { StorageOptions } from "./storage-options.ts";

const accepted: [string[], Partial<StorageOptions>][] = [
  [
    [],
    {
      thinPoolDevice: undefined,
      baseSizeBytes: 10 * 2 ** 30,
      loopDataSizeBytes: 100 * 2 ** 30,
      loopMetadataSizeBytes: 2 * 2 ** 30,
      fileSystem: "ext4",
      mkfsArguments: [],
      mountOptions: "",
      blockSizeBytes: 65536,
      blkDiscard: true,
      overrideUdevSyncCheck: false,
      useDeferredRemoval: undefined,
      useDeferredDeletion: undefined,
      minFreeSpacePercent: 10,
      xfsNospaceMaxRetries: undefined,
      libdmLogLevel: 2,
      directLvm: undefined,
    },
  ],
  [["dm.thinpooldev=/dev/mapper/thin-pool"], { thinPoolDevice: "thin-pool", blkDiscard: false }],
  [["dm.thinpooldev=thin-pool", "dm.blkdiscard=true"], { thinPoolDevice: "thin-pool", blkDiscard: true }],
  [["dm.basesize=20G"], { baseSizeBytes: 20 * 2 ** 30 }],
  [
    ["dm.loopdatasize=200G", "dm.loopmetadatasize=4G"],
    { loopDataSizeBytes: 200 * 2 ** 30, loopMetadataSizeBytes: 2 ** 32 },
  ],
  [["dm.fs=xfs"], { fileSystem: "xfs" }],
  [["dm.mkfsarg=-O ^has_journal", "dm.mkfsarg=-m 0"], { mkfsArguments: ["-O ^has_journal", "-m 0"] }],
  [["dm.mountopt=nodiscard,noatime"], { mountOptions: "nodiscard,noatime" }],
  [["dm.mountopt=context=a:b=c"], { mountOptions: "context=a:b=c" }],
  [["dm.datadev=/dev/sdb1"], { dataDevice: "/dev/sdb1", blkDiscard: false }],
  [["dm.metadatadev=/dev/sdc1"], { metadataDevice: "/dev/sdc1", blkDiscard: true }],
  [["dm.blocksize=512K"], { blockSizeBytes: 524288 }],
  [["dm.blkdiscard=false"], { blkDiscard: false }],
  [["dm.blkdiscard=F"], { blkDiscard: false }],
  [["dm.override_udev_sync_check=1"], { overrideUdevSyncCheck: true }],
  [["dm.use_deferred_removal=false"], { useDeferredRemoval: false }],
  [
    ["dm.use_deferred_removal=true", "dm.use_deferred_deletion=true"],
    { useDeferredRemoval: true, useDeferredDeletion: true },
  ],
  [["dm.min_free_space=0%"], { minFreeSpacePercent: 0 }],
  [["dm.min_free_space=12.5%"], { minFreeSpacePercent: 12.5 }],
  [["dm.xfs_nospace_max_retries=0"], { xfsNospaceMaxRetries: 0 }],
  [["dm.libdm_log_level=7"], { libdmLogLevel: 7 }],
  [["DM.BaseSize=1G", "dm.basesize=2G"], { baseSizeBytes: 2 ** 31 }],
  [
    ["dm.directlvm_device=/dev/sdb", "dm.thinp_percent=90", "dm.thinp_metapercent=2", "dm.directlvm_device_force=true"],
    {
      directLvm: {
        device: "/dev/sdb",
        force: true,
        dataPercent: 90,
        metadataPercent: 2,
        autoextendThreshold: 80,
        autoextendPercent: 20,
      },
      blkDiscard: false,
    },
  ],
];

for (const [options, expected] of accepted) {
  test(`accepts ${options.join(" ") || "no options: the defaults"}`, () => {
    const parsed = parseStorageOptions(options);
    for (const [key, value] of Object.entries(expected))
      assert.deepEqual(parsed[key as keyof StorageOptions], value, key);
  });
}

const refused: [string[], RegExp][] = [
  [["dm.foo=1"], /dm\.foo.*unknown/],
  [["basesize=1G"], /basesize.*unknown/],
  [["dm.=1"], /unknown/],
  [["dm.constructor=1"], /dm\.constructor.*unknown/],
  [["dm.basesize"], /dm\.KEY=VALUE/],
  [["dm.basesize="], /dm\.basesize/],
  [["dm.basesize=big"], /dm\.basesize/],
  [["dm.basesize=0"], /dm\.basesize/],
  [["dm.fs=btrfs"], /dm\.fs=btrfs.*ext4 or xfs/],
  [["dm.blocksize=100K"], /dm\.blocksize/],
  [["dm.blocksize=32K"], /dm\.blocksize/],
  [["dm.blocksize=2G"], /dm\.blocksize/],
  [["dm.blkdiscard=maybe"], /dm\.blkdiscard.*true or false/],
  [["dm.min_free_space=10"], /dm\.min_free_space.*10%/],
  [["dm.min_free_space=100%"], /dm\.min_free_space.*below 100%/],
  [["dm.min_free_space=-1%"], /dm\.min_free_space/],
  [["dm.libdm_log_level=1"], /dm\.libdm_log_level.*2 to 7/],
  [["dm.libdm_log_level=8"], /dm\.libdm_log_level/],
  [["dm.libdm_log_level=x"], /dm\.libdm_log_level/],
  [["dm.xfs_nospace_max_retries=many"], /dm\.xfs_nospace_max_retries/],
  [["dm.mkfsarg="], /dm\.mkfsarg/],
  [["dm.datadev="], /dm\.datadev/],
  [["dm.thinpooldev="], /dm\.thinpooldev/],
  [["dm.thinpooldev=p", "dm.directlvm_device=/dev/sdb"], /dm\.directlvm_device together with dm\.thinpooldev/],
  [["dm.thinpooldev=p", "dm.datadev=/dev/sdb"], /dm\.datadev together with dm\.thinpooldev/],
  [["dm.metadatadev=/dev/sdc", "dm.directlvm_device=/dev/sdb"], /dm\.metadatadev together/],
  [["dm.thinp_percent=95", "dm.thinp_metapercent=1"], /dm\.directlvm_device/],
  [["dm.directlvm_device=/dev/sdb", "dm.thinp_percent=95"], /both, or neither/],
  [["dm.directlvm_device=/dev/sdb", "dm.thinp_metapercent=1"], /both, or neither/],
  [["dm.directlvm_device=/dev/sdb", "dm.thinp_percent=99", "dm.thinp_metapercent=2"], /more than 100/],
  [["dm.directlvm_device=/dev/sdb", "dm.thinp_percent=100", "dm.thinp_metapercent=0"], /dm\.thinp_percent/],
  [["dm.directlvm_device=/dev/sdb", "dm.thinp_autoextend_threshold=101"], /dm\.thinp_autoextend_threshold/],
  [["dm.directlvm_device=/dev/sdb", "dm.directlvm_device_force=perhaps"], /dm\.directlvm_device_force/],
  [["dm.use_deferred_removal=false", "dm.use_deferred_deletion=true"], /needs deferred removal/],
];

for (const [options, message] of refused) {
  test(`refuses ${options.join(" ")}`, () => {
    assert.throws(() => parseStorageOptions(options), { code: "EINVAL", message });
  });
}
