import { execFile } from "node:child_process";
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Mounts, loop devices and processes that belong to a test's folder, a line each; none when all is well. */
export function leftoversIn(folder: string): string[] {
  return [
    ...mountsIn(folder).map((path) => `mounted: ${path}`),
    ...loopsIn(folder).map(({ device, file }) => `attached: ${device} on ${file}`),
    ...processesIn(folder).map(({ pid, commandLine }) => `running: ${pid} ${commandLine}`),
  ];
}

/** Mount points below the folder, oldest first. */
export function mountsIn(folder: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(folder));
}

function loopsIn(folder: string): { device: string; file: string }[] {
  return readdirSync("/sys/block")
    .filter((name) => name.startsWith("loop"))
    .flatMap((name) => {
      try {
        const file = readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").trim();
        return file.startsWith(folder) ? [{ device: `/dev/${name}`, file }] : [];
      } catch {
        return [];
      }
    });
}

/** Processes that name the folder in their command line or environment, or have their working folder or a file in it. */
export function processesIn(folder: string): { pid: number; commandLine: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        const environment = readFileSync(`/proc/${name}/environ`, "utf8");
        const files = readdirSync(`/proc/${name}/fd`).map((fd) => readlinkSync(`/proc/${name}/fd/${fd}`));
        const ours = [commandLine, environment, ...files].some((place) => place.includes(folder));
        return ours ? [{ pid: Number(name), commandLine }] : [];
      } catch {
        return [];
      }
    });
}

/** The last resort after a failed test: takes down by force what is still there. */
export async function removeLeftovers(folder: string): Promise<void> {
  const command = (program: string, ...args: string[]): Promise<void> =>
    new Promise((resolve) => execFile(program, args, () => resolve()));
  for (const path of mountsIn(folder)
    .reverse()
    .filter((path) => !path.includes("/run/")))
    await command("umount", "-l", path);
  for (const { device } of loopsIn(folder)) await command("losetup", "-d", device);
  for (const { pid } of processesIn(folder)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  for (const path of mountsIn(folder).reverse()) await command("umount", "-l", path);
}
