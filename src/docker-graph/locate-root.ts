import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errorCode } from "../linux/system-error.ts";
import { DockerGraphError } from "./docker-graph-error.ts";

/** Where the parts of a graph are. */
export interface DockerRoot {
  /** What /var/lib/docker is: holds images, containers and the graph. */
  dataRoot: string;
  /** Its `devicemapper` folder, which is the graph's own root. */
  graphRoot: string;
}

/** Subfolders of a daemon that remaps users, such as "165536.165536". */
const remapped = /^\d+\.\d+$/;

/**
 * Finds the data root: the folder itself, or the one that holds it, where its `devicemapper` folder was named. Links are
 * resolved, so that a file in it can be compared with what the kernel says is attached.
 *
 * @throws DockerGraphError saying what was looked for and what is there instead
 */
export function locateRoot(path: string): DockerRoot {
  const folder = existing(path);
  for (const dataRoot of [folder, ...(basename(folder) === "devicemapper" ? [dirname(folder)] : [])]) {
    const graphRoot = join(dataRoot, "devicemapper");
    if (isGraphRoot(graphRoot)) return { dataRoot, graphRoot };
  }
  // A graph's folder under another name, copied without what stood beside it.
  if (isGraphRoot(folder)) return { dataRoot: folder, graphRoot: folder };
  throw nothingThere(path, folder);
}

function existing(path: string): string {
  try {
    const folder = realpathSync(path);
    if (statSync(folder).isDirectory()) return folder;
  } catch (error) {
    if (errorCode(error) === "EACCES") {
      throw new DockerGraphError(
        "EACCES",
        `Cannot read '${path}': this user may not. Run it again with sudo, or on a copy`,
      );
    }
    throw new DockerGraphError("NO_DOCKER_GRAPH", `Cannot open a Docker graph in '${path}': there is no such folder`);
  }
  throw new DockerGraphError(
    "NO_DOCKER_GRAPH",
    `Cannot open a Docker graph in '${path}': it is no folder. Name Docker's data root, such as /var/lib/docker, or a copy of it`,
  );
}

/** Device files or the single file of the oldest versions tell a graph; the folder of that name alone does not. */
function isGraphRoot(folder: string): boolean {
  return (
    existsSync(join(folder, "metadata", "deviceset-metadata")) ||
    existsSync(join(folder, "metadata", "base")) ||
    existsSync(join(folder, "devicemapper", "json")) ||
    existsSync(join(folder, "devicemapper", "metadata"))
  );
}

function nothingThere(path: string, folder: string): DockerGraphError {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch {
    return new DockerGraphError(
      "EACCES",
      `Cannot read '${path}': this user may not. Run it again with sudo, or on a copy`,
    );
  }
  const remaps = names.filter((name) => remapped.test(name) && isGraphRoot(join(folder, name, "devicemapper")));
  if (remaps.length > 0) {
    const choices = remaps.map((name) => join(path, name)).join(" or ");
    return new DockerGraphError(
      "NO_DOCKER_GRAPH",
      `Cannot open a Docker graph in '${path}': its daemon mapped users, so the graph is in a folder of its own. Use ${choices}`,
    );
  }
  const others = ["overlay2", "aufs", "btrfs", "zfs", "vfs"].filter((name) => names.includes(name));
  const instead = others.length === 0 ? "" : ` It holds ${others.join(" and ")}, which is another storage driver.`;
  return new DockerGraphError(
    "NO_DOCKER_GRAPH",
    `Cannot open a Docker graph in '${path}': there is no devicemapper graph in it (devicemapper/metadata, ` +
      `devicemapper/devicemapper).${instead} Name Docker's data root, such as /var/lib/docker, or a copy of it`,
  );
}
