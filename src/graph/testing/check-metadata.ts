import { execFileSync } from "node:child_process";

/** thin_check on the metadata of a pool that does not run; throws what it found. */
export function checkMetadata(path: string): void {
  execFileSync("thin_check", ["-q", path], {
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` },
    stdio: ["ignore", "pipe", "pipe"],
  });
}
