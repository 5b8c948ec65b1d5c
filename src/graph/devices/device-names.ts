import { statSync } from "node:fs";
import { majorMinor } from "../../linux/special-files.ts";
import { GraphError } from "../graph-error.ts";

/** The graph's name for its base device, and the name of that device's file. */
export const baseId = "base";

/** Files in `metadata/` that are not a device's. */
export const reservedNames = new Set(["deviceset-metadata", "transaction-metadata"]);

/**
 * Whether a device's file in `metadata/` may have that name. Docker's graphs hold names that `checkDeviceId` would refuse: only what leads
 * elsewhere, or is a file of another kind, is ruled out.
 */
export function isDeviceFileName(name: string): boolean {
  const isOneFile = /^[^./\0][^/\0]*$/.test(name) && Buffer.byteLength(name) <= 255;
  return isOneFile && !name.endsWith(".migrated") && !reservedNames.has(name);
}

/** The names the device mapper knows a graph's devices by. */
export interface DeviceNames {
  /** `docker-MAJ:MIN-INODE` of the graph's folder: unlike any other graph's on this machine. */
  prefix: string;
  /** The pool the graph makes for itself. */
  ownPool: string;
  /** The name of a thin device. */
  device(id: string): string;
  /** The id of the device of that name; undefined for a name of another graph, or a pool's. */
  idOf(name: string): string | undefined;
}

/** @param root the graph's folder; must exist */
export function deviceNames(root: string): DeviceNames {
  const stat = statSync(root, { bigint: true });
  const { major, minor } = majorMinor(Number(stat.dev));
  const prefix = `docker-${major}:${minor}-${stat.ino}`;
  const ownPool = `${prefix}-pool`;
  return {
    prefix,
    ownPool,
    device: (id) => `${prefix}-${id}`,
    idOf: (name) => (name.startsWith(`${prefix}-`) && name !== ownPool ? name.slice(prefix.length + 1) : undefined),
  };
}

/**
 * Refuses an id that cannot be a file name and a device name at once, or that the graph uses itself.
 *
 * @throws GraphError EINVAL
 */
export function checkDeviceId(id: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/.test(id)) {
    throw new GraphError(
      "EINVAL",
      `Cannot use '${id}' as a device's id: it has to begin with a letter or digit, go on with these and _ . -, and have at most 100`,
    );
  }
  if (id === baseId || id === "pool" || reservedNames.has(id) || id.endsWith(".migrated")) {
    throw new GraphError("EINVAL", `Cannot use '${id}' as a device's id: the graph uses that name itself`);
  }
}
