import { existsSync } from "node:fs";

/** What keeps the real thing from running containers of busybox here, or undefined. @param programs paths of what it takes */
export function missingForContainers(programs: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const missing = [...programs, "/bin/busybox"].filter((file) => !existsSync(file));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}
