import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Programs that have their working folder, root or an open file in a folder, as `name (pid)`. Slow: for messages only. */
export function processesIn(folder: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const links = [`/proc/${pid}/cwd`, `/proc/${pid}/root`, ...openFiles(pid)];
    if (links.some((link) => isInside(link, folder))) found.push(`${programName(pid)} (${pid})`);
  }
  return found;
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  } catch {
    return [];
  }
}

function isInside(link: string, folder: string): boolean {
  try {
    const target = readlinkSync(link);
    return target === folder || target.startsWith(`${folder}/`);
  } catch {
    return false;
  }
}

function programName(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "a program";
  }
}
