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
  "docker-plugin": v.exactOptional(socketPath),
  containerd: v.exactOptional(socketPath),
  api: v.exactOptional(socketPath),
  "log-level": v.exactOptional(
    v.picklist(logLevels, `it has to be one of ${logLevels.map((level) => `"${level}"`).join(", ")}`),
  ),
});

/** The configuration's table [containerd], in the names that users of containerd's devmapper snapshotter know. */
export const containerdSchema = v.strictObject({
  base_image_size: v.exactOptional(v.pipe(text, v.check(isSize, 'it has to be a size, such as "10GB"'))),
  fs_type: v.exactOptional(v.picklist(["ext4", "xfs"], 'it has to be "ext4" or "xfs"')),
  fs_options: v.exactOptional(text),
  async_remove: v.exactOptional(flag),
  discard_blocks: v.exactOptional(flag),
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
