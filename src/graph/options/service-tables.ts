import * as v from "valibot";
import { parseSize } from "./size.ts";

const text = v.string("it has to be a text in quotes");
const flag = v.boolean("it has to be true or false");
const socketPath = v.pipe(text, v.startsWith("/", "it has to be an absolute path"));

/** How much the daemon's log tells, from least to most. */
export const logLevels = ["error", "warn", "info", "debug"] as const;

/** See `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** The configuration's table [daemon]: the sockets of its services, each of which is off without one, and its log. */
export const daemonSchema = v.strictObject({
  "docker-plugin": v.exactOptional(
    v.pipe(socketPath, v.description("Docker's graph driver plugin, usually `/run/docker/plugins/mica.sock`")),
  ),
  containerd: v.exactOptional(
    v.pipe(socketPath, v.description("containerd's snapshotter, usually `/run/mica/containerd.sock`")),
  ),
  api: v.exactOptional(
    v.pipe(socketPath, v.description("Mica's own API, usually `/run/mica/api.sock`; commands go through it")),
  ),
  "log-level": v.exactOptional(
    v.pipe(
      v.picklist(logLevels, `it has to be one of ${logLevels.map((level) => `"${level}"`).join(", ")}`),
      v.description("how much to log: `error`, `warn`, `info` (the default) or `debug`"),
    ),
  ),
});

/** The configuration's table [containerd], in the names that users of containerd's devmapper snapshotter know. */
export const containerdSchema = v.strictObject({
  base_image_size: v.exactOptional(
    v.pipe(
      text,
      v.check(isSize, 'it has to be a size, such as "10GB"'),
      v.description(
        "size of what begins empty, and so of all that descends from it (default: `dm.basesize`); a later change is for what begins empty then",
      ),
    ),
  ),
  fs_type: v.exactOptional(
    v.pipe(
      v.picklist(["ext4", "xfs"], 'it has to be "ext4" or "xfs"'),
      v.description("`ext4` or `xfs` (default: `dm.fs`); what descends from a snapshot keeps its file system"),
    ),
  ),
  fs_options: v.exactOptional(
    v.pipe(
      text,
      v.description(
        "arguments of mkfs, such as `-O ^has_journal`, or, for ext4, what follows its `-E`, such as `stride=16` (default: `dm.mkfsarg`)",
      ),
    ),
  ),
  async_remove: v.exactOptional(
    v.pipe(
      flag,
      v.description(
        "whether the space of removed snapshots is given back only when containerd's garbage collection has done with all of them (default: `false`)",
      ),
    ),
  ),
  discard_blocks: v.exactOptional(
    v.pipe(
      flag,
      v.description(
        "whether a removed snapshot's blocks are discarded, so that the host has the space back, not the pool alone (default: `dm.blkdiscard`)",
      ),
    ),
  ),
});

/** What [daemon] says. */
export type DaemonTable = v.InferOutput<typeof daemonSchema>;

/** What [containerd] says. */
export type ContainerdTable = v.InferOutput<typeof containerdSchema>;

function isSize(size: string): boolean {
  try {
    parseSize(size);
    return true;
  } catch {
    return false;
  }
}
