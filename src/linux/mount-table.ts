import { readFileSync } from "node:fs";

/** One line of /proc/self/mountinfo (proc(5)). */
export interface MountEntry {
  mountPoint: string;
  /** The folder of the file system that is mounted here; "/" unless a bind mount. */
  root: string;
  /** What is mounted: for a disk file system, the device. */
  source: string;
  fsType: string;
  /** Per-mount options, then the file system's own. */
  options: string;
  major: number;
  minor: number;
}

/** All mounts this process sees, oldest first. */
export function mountTable(): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    if (line === "") continue;
    const fields = line.split(" ");
    const separator = fields.indexOf("-", 6);
    if (separator < 0) continue;
    const [major, minor] = fields[2].split(":").map(Number);
    entries.push({
      mountPoint: unescape(fields[4]),
      root: unescape(fields[3]),
      source: unescape(fields[separator + 2]),
      fsType: fields[separator + 1],
      options: `${fields[5]},${fields[separator + 3]}`,
      major,
      minor,
    });
  }
  return entries;
}

/** Whether something is mounted on exactly this absolute path. */
export function isMounted(path: string): boolean {
  return mountTable().some((entry) => entry.mountPoint === path);
}

/** Spaces and the like are written as three octal digits; UTF-8 was decoded already, and is never escaped. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
