import { readFileSync } from "node:fs";

/** A text that is new at each boot of the machine, and the same in all its processes until the next. */
export function bootId(): string {
  known ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return known;
}

/** No process outlives the boot. */
let known: string | undefined;
