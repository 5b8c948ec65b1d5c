import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { outcomeOf } from "./cli-support.ts";

/** Folders of the cgroups of that name at the top: in one hierarchy, or one a controller. */
export function cgroupsNamed(name: string): string[] {
  const top = "/sys/fs/cgroup";
  return [top, ...readdirSync(top).map((controller) => join(top, controller))]
    .map((hierarchy) => join(hierarchy, name))
    .filter((folder) => existsSync(folder));
}

/** All processes in these cgroups, and in those below. */
export function processesInCgroups(folders: readonly string[]): number[] {
  const files = folders.flatMap((folder) => filesNamed(folder, "cgroup.procs"));
  return [...new Set(files.flatMap((file) => readFileSync(file, "utf8").split("\n")).filter((pid) => pid !== ""))].map(
    Number,
  );
}

/** All files of that name below a folder. */
export function filesNamed(folder: string, name: string): string[] {
  if (!existsSync(folder)) return [];
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return all.filter((path) => path === name || path.endsWith(`/${name}`)).map((path) => join(folder, path));
}

/** Kills a process that may have ended by itself. */
export function killHard(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has.
  }
}

/** Unmounts, also what is in use. */
export async function unmountLazily(path: string): Promise<void> {
  await outcomeOf(spawn("umount", ["-l", path]));
}

/** Removes a cgroup and those below. Its folder goes when its last process is gone, which may take a moment. */
export async function removeCgroup(folder: string): Promise<void> {
  const inner = readdirSync(folder, { recursive: true, withFileTypes: true, encoding: "utf8" })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of [folder, ...inner].sort((a, b) => b.length - a.length)) {
    for (let attempt = 0; attempt < 100; attempt++) {
      try {
        rmdirSync(path);
        break;
      } catch {
        await sleep(20);
      }
    }
  }
}
