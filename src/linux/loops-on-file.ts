import { closeSync, openSync, statSync } from "node:fs";
import { basename } from "node:path";
import { readLoopStatus, loopInfo64 } from "./loop-ioctl.ts";
import { allLoops } from "./loop.ts";
import { majorMinor } from "./special-files.ts";
import { errorCode } from "./system-error.ts";

/**
 * The loop devices on a file, by whatever path it was attached: a bind mount, or a chroot, shows another one. (Only its name counts: to ask
 * every loop device which inode it is on would ask file systems that may not answer.)
 */
export function loopsOnFile(path: string): string[] {
  const wanted = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (wanted === undefined) return [];
  const name = basename(path);
  const candidates = allLoops().filter(
    ({ backingFile }) => basename(backingFile).replace(/ \(deleted\)$/, "") === name,
  );
  return candidates.map(({ device }) => device).filter((device) => isOn(device, wanted));
}

function isOn(device: string, file: { dev: bigint; ino: bigint }): boolean {
  const status = statusOf(device);
  if (status?.readBigUInt64LE(loopInfo64.inode) !== file.ino) return false;
  const [one, other] = [majorMinor(status.readBigUInt64LE(0)), majorMinor(file.dev)];
  return one.major === other.major && one.minor === other.minor;
}

/** undefined when it was detached meanwhile. */
function statusOf(device: string): Buffer | undefined {
  try {
    const fd = openSync(device, "r");
    try {
      return readLoopStatus(device, fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errorCode(error) === "ENXIO" || errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
