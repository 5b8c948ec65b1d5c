import { accessSync, constants, readFileSync, statSync } from "node:fs";

/** What the user lacks for any graph: a sentence with what to do, or undefined when all is there. */
export function missingRight(): string | undefined {
  if (process.platform !== "linux") return "mica runs on Linux only.";
  if (mayMount()) return undefined;
  return "this needs root (it mounts file systems and attaches loop devices). Run it again with sudo.";
}

/** As `missingRight`, of the devices that this graph needs: FUSE for the user-space device mapper, loop devices for that and for files. */
export function missingDevice(needs: { fuse: boolean; loopDevices: boolean }): string | undefined {
  if (needs.fuse && !usable("/dev/fuse", 229)) {
    return "there is no usable /dev/fuse. Load it with `modprobe fuse`; in a container, start that with `--device /dev/fuse`.";
  }
  if (needs.loopDevices && !usable("/dev/loop-control", 237)) {
    return "there is no usable /dev/loop-control. Load it with `modprobe loop`; in a container, start that with `--privileged`.";
  }
  return undefined;
}

/** As both, for a graph on the user-space device mapper and loopback files, which needs most. */
export function missingRequirement(): string | undefined {
  return missingRight() ?? missingDevice({ fuse: true, loopDevices: true });
}

const capSysAdmin = 1n << 21n;

/** Root in name only (a container without CAP_SYS_ADMIN) cannot mount either. */
function mayMount(): boolean {
  if (process.geteuid?.() !== 0) return false;
  const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"));
  return match === null || (BigInt(`0x${match[1]}`) & capSysAdmin) !== 0n;
}

/** Whether a device node is there, is what its name says (the kernel's devices.txt: both are of major 10), and may be opened. */
function usable(device: string, minor: number): boolean {
  const found = statSync(device, { throwIfNoEntry: false });
  if (found?.isCharacterDevice() !== true || found.rdev !== 10 * 256 + minor) return false;
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
