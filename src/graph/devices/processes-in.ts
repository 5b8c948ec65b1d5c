import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process that hangs in the kernel can make a look at it hang too. */
const timeLimitMs = 2000;

/**
 * Programs that have their working folder, root or an open file in a folder, as `name (pid)`: for messages. Another program
 * looks, for a limited time.
 */
export async function processesIn(folder: string): Promise<string[]> {
  const links = [
    "(",
    "-path",
    "/proc/[0-9]*/cwd",
    "-o",
    "-path",
    "/proc/[0-9]*/root",
    "-o",
    "-path",
    "/proc/[0-9]*/fd/*",
    ")",
  ];
  const inside = ["(", "-lname", folder, "-o", "-lname", `${folder}/*`, ")"];
  const output = await new Promise<string>((resolve) => {
    const child = execFile("find", ["/proc", "-maxdepth", "3", ...links, ...inside], (_, stdout) => resolve(stdout));
    setTimeout(() => {
      child.kill("SIGKILL");
      child.unref();
      resolve("");
    }, timeLimitMs).unref();
  });
  const pids = new Set([...output.matchAll(/^\/proc\/(\d+)\//gm)].map((match) => match[1]));
  return [...pids].map((pid) => `${programName(pid)} (${pid})`);
}

function programName(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "a program";
  }
}
