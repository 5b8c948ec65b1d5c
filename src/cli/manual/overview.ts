import type { Example } from "../documented-command.ts";

/** What stands in mica(1) besides commands and options; see `overviewPage`. */
export const overview = {
  summary: "thin-provisioned, copy-on-write block devices for container images, containers and microVMs",
  description: [
    "`mica` keeps container images and containers as thin block devices in one pool, the graph. An image layer is a snapshot of the layer below it, and a container is a snapshot of its image's top layer. A snapshot is made at once, shares every block it has not changed, and takes space for what it changes only. It is Docker's devicemapper storage backend as a system of its own.",
    "The first command that needs it starts the pool. The pool, and what is mounted from it, outlive the command, until `mica shutdown` or a reboot; the next command starts it again.",
    "Global options may stand before or after the command.",
  ],
  deviceMappers: [
    "The pool is the Linux kernel's (dm-thin), where it can be used, or is served from user space, in the same on-disk format, with FUSE and loop devices. What counts is `--device-mapper`, else the one that the graph's pool runs in, else the kernel's where that can be used: it has thin-pool, the user is root, and udev runs or `dm.override_udev_sync_check` is set. A pool that runs in the other one has to be stopped first (`mica shutdown`).",
    "In user space a pool is served by a process, the engine, under a supervisor. Where the engine is killed another takes over, and mounted file systems see a pause only. Before Linux 6.9, or where both are killed, they see I/O errors: nothing that was flushed is lost, the next command opens the pool again, and `mica umount` and `mica mount` bring a container's files back.",
  ],
  storageOptions:
    "Given with `--storage-opt`, several times if need be. Those given when a graph is made stay with it. Sizes are binary multiples: `10G` is 10 × 2^30 bytes.",
  dmsetup:
    "`mica dmsetup` is the dmsetup of LVM2, on the kernel's device mapper or on the one in user space: devices of the graph, and any others, step by step. A symbolic link `dmsetup` to `mica` is it too.",
  thinTools:
    "The tools of that name of thin-provisioning-tools, over the metadata of any thin pool. Their arguments are the originals'. A symbolic link of a tool's name to `mica` is that tool.",
  environment: {
    MICA_ROOT: "the graph's folder, where `--root` is not given",
    MICA_DEVICE_MAPPER: "as `--device-mapper`",
    MICA_CONFIG: "as `--config`",
    MICA_RUN_DIR: "where running pools keep their state, instead of `/run/mica`",
    MICA_DEBUG: "with `1`, errors show where they came from, and the graph says what it does",
    DOCKER_CONFIG: "folder of Docker's `config.json`, with credentials for registries, instead of `~/.docker`",
  },
  files: {
    "/etc/mica/config.toml": "the configuration",
    "/var/lib/mica":
      "the graph: pool data and metadata below `devicemapper`, a file a device below `metadata`, mount points below `mnt`, images and containers below `image` and `containers`",
    "/run/mica/POOL": "a running pool: its FUSE mount, its journal, its log",
  },
  examples: [
    ["mica import app image.tar", "an image in: an OCI layout, `docker save`, or a tar of files"],
    ["mica create app web", "a container from it"],
    ['cp index.html "$(mica mount web)/srv/"', "a file into it"],
    ["mica diff web", "what it changed in its image"],
    ["mica commit web app:2", "an image of what it holds"],
    ["mica umount web && mica rm web", "done with it"],
    ["mica shutdown", "nothing left mounted, attached or running"],
  ] satisfies Example[],
} as const;
