import type { TargetVersion } from "../../device-mapper/mapped-devices.ts";

/** A kind of target and its version, as `targets` prints them. */
export function targetLine({ name, version }: TargetVersion): string {
  return `${name.padEnd(16)} v${version.join(".")}\n`;
}
