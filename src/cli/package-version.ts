import { readFileSync } from "node:fs";
import { packageFile } from "../linux/package-root.ts";

/** The version in package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string };
  return version;
}
