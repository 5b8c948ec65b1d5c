import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { deviceNumber, devicePath, readSysfs } from "../../linux/device-path.ts";
import { type MountEntry, mountTable } from "../../linux/mount-table.ts";
import { parseMappedTable, placesOf } from "../../mapping/mapped-table.ts";
import { parsePoolTable } from "../../thin/pool-table.ts";
import { mountHolding, servingFolder } from "./serving-folder.ts";

const mostLinks = 40;

/**
 * Whether a file or block device stands on what the engine of a folder serves: as its file or loop device; as a file of a file system that is mounted from
 * there; through other mapped devices and pools, the kernel's mapped devices, partitions and loop devices. An engine that used such a device would wait
 * for itself. What cannot be seen counts as no: a file system on several devices, an external origin.
 */
export function standsOn(path: string, folder: string): boolean {
  return new Walk(folder).path(path);
}

class Walk {
  readonly #folder: string;
  readonly #mounts: MountEntry[] = mountTable();
  readonly #seen = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  path(given: string): boolean {
    const path = this.#resolve(given);
    if (this.#seen.has(path)) return false;
    this.#seen.add(path);
    const mounts = this.#mounts;
    const serving = servingFolder(path, mounts);
    if (serving !== undefined) return serving === this.#folder || devicesOf(serving).some((below) => this.path(below));
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return false;
    if (stat.isBlockDevice()) return this.#device(deviceNumber(path));
    const mount = mountHolding(path, mounts);
    if (mount === undefined) return false;
    // File systems such as btrfs have a number that is no device's.
    if (mount.major !== 0) return this.#device(`${mount.major}:${mount.minor}`);
    return mount.source.startsWith("/dev/") && this.path(mount.source);
  }

  #device(numbers: string): boolean {
    const place = `/sys/dev/block/${numbers}`;
    if (this.#seen.has(place)) return false;
    this.#seen.add(place);
    const file = readSysfs(`${place}/loop/backing_file`);
    if (file !== undefined && this.path(file.replace(/ \(deleted\)$/, ""))) return true;
    if (readSysfs(`${place}/partition`) !== undefined) {
      const disk = readSysfs(join(dirname(realpathSync(place)), "dev"));
      if (disk !== undefined && this.#device(disk)) return true;
    }
    return slavesOf(place).some((slave) => this.#device(slave));
  }

  /** A path without links, as far as it goes without entering a mount of an engine's. */
  #resolve(given: string): string {
    let rest = resolve(given).split("/").slice(1);
    let path = "/";
    for (let links = 0; rest.length > 0;) {
      const next = join(path, rest[0]);
      if (servingFolder(next, this.#mounts) !== undefined) return join(path, ...rest);
      const target = linkAt(next);
      if (target !== undefined && links++ < mostLinks) {
        rest = [...resolve(path, target).split("/").slice(1), ...rest.slice(1)];
        path = "/";
      } else {
        path = next;
        rest = rest.slice(1);
      }
    }
    return path;
  }
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function slavesOf(place: string): string[] {
  let names;
  try {
    names = readdirSync(`${place}/slaves`);
  } catch {
    return [];
  }
  return names.flatMap((name) => readSysfs(`${place}/slaves/${name}/dev`) ?? []);
}

/** What a running pool or mapped device stands on. */
function devicesOf(folder: string): string[] {
  try {
    const table = readFileSync(join(folder, "table"), "utf8");
    if (!isPoolTable(table)) return placesOf(parseMappedTable(table)).flatMap(({ device }) => devicePath(device) ?? []);
    const { metadataDevice, dataDevice } = parsePoolTable(table);
    return [metadataDevice, dataDevice]; // paths: a pool's table has no numbers
  } catch {
    return []; // it is just being made, or went
  }
}

/** Whether a table is a pool's: no other table has such a target. */
export function isPoolTable(table: string): boolean {
  return table.trim().split(/\s+/)[2] === "thin-pool";
}
