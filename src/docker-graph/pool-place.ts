import { accessSync, closeSync, constants, openSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { isBlockDevice } from "../linux/block-device.ts";
import { isLocked } from "../linux/flock.ts";
import { loopsOf } from "../linux/loop.ts";
import { errorCode } from "../linux/system-error.ts";
import { DockerGraphError } from "./docker-graph-error.ts";

/** What the pool is on: sparse files of the graph, or devices, or copies of them. Links are resolved. */
export interface PoolPlace {
  dataPath: string;
  metadataPath: string;
  /** Both are the graph's own sparse files. */
  loopback: boolean;
}

/** Devices or files that were named for the pool. */
export interface GivenPool {
  dataPath?: string | undefined;
  metadataPath?: string | undefined;
}

const lvmAdvice =
  "If Docker had devices of its own (dm.datadev, dm.metadatadev), give them as --data and --metadata. If LVM made the pool " +
  "(dm.thinpooldev, dm.directlvm_device), stop Docker, deactivate the pool (lvchange -an docker/thinpool), activate its two parts " +
  "(lvchange -ay -y docker/thinpool_tdata docker/thinpool_tmeta), and give those: --data /dev/docker/thinpool_tdata " +
  "--metadata /dev/docker/thinpool_tmeta. Copies of them as files will do, too";

/**
 * Finds data and metadata of a graph's pool.
 *
 * @throws DockerGraphError NO_POOL, saying how to name them; EACCES
 */
export function locatePool(graphRoot: string, given: GivenPool): PoolPlace {
  const ownData = join(graphRoot, "devicemapper", "data");
  const ownMetadata = join(graphRoot, "devicemapper", "metadata");
  const data = resolved(given.dataPath ?? ownData);
  const metadata = resolved(given.metadataPath ?? ownMetadata);
  if (data !== undefined && metadata !== undefined) {
    return {
      dataPath: data,
      metadataPath: metadata,
      loopback: given.dataPath === undefined && given.metadataPath === undefined,
    };
  }
  const missing = [
    ...(data === undefined ? [given.dataPath ?? ownData] : []),
    ...(metadata === undefined ? [given.metadataPath ?? ownMetadata] : []),
  ];
  const names = missing.map((path) => `'${path}'`).join(" and ");
  if (given.dataPath !== undefined || given.metadataPath !== undefined) {
    throw new DockerGraphError("NO_POOL", `Cannot open the pool of '${graphRoot}': there is no ${names}. ${lvmAdvice}`);
  }
  throw new DockerGraphError(
    "NO_POOL",
    `Cannot open the pool of '${graphRoot}': ${names} ${missing.length === 1 ? "is" : "are"} missing. ` +
      `${missing.length === 1 ? "Put the file back, from where the graph was copied. " : ""}${lvmAdvice}`,
  );
}

function resolved(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) === "EACCES") {
      throw new DockerGraphError(
        "EACCES",
        `Cannot open the pool: this user may not read '${path}'. Run it again with sudo, or on a copy that you may read`,
      );
    }
    return undefined;
  }
}

/** Who uses the pool's data or metadata now, so that it may change while it is read; undefined when nobody does. */
export function poolUser(place: PoolPlace): string | undefined {
  for (const path of [place.metadataPath, place.dataPath]) {
    const user = isBlockDevice(path) ? deviceUser(path) : fileUser(path);
    if (user !== undefined) return user;
  }
  return undefined;
}

function deviceUser(path: string): string | undefined {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_EXCL));
  } catch (error) {
    if (errorCode(error) !== "EBUSY") throw error;
    return `'${path}' is in use, by the kernel's device mapper or a mount`;
  }
  return isLocked(path) ? `'${path}' is in use, by a pool of mica` : undefined;
}

function fileUser(path: string): string | undefined {
  const loops = loopsOf(path);
  if (loops.length > 0)
    return `'${path}' is attached to ${loops.join(" and ")}, so that Docker's pool may be running on it`;
  return isLocked(path) ? `'${path}' is in use, by a pool of mica` : undefined;
}

/** What to do about a pool that is in use. */
export const letGoAdvice =
  "Stop Docker first (systemctl stop docker docker.socket); where its pool stays (dmsetup ls), remove it with dmsetup remove, and " +
  "detach its loop devices with losetup -d. A pool of mica ends with mica shutdown. Or work on a copy of the graph";
