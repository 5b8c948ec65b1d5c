import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { controlDevice } from "../../linux/dm-ioctl.ts";
import { makeNode } from "../../linux/special-files.ts";
import { errorCode } from "../../linux/system-error.ts";
import { haveLibdevmapper } from "../../linux/libdevmapper-library.ts";

const S_IFCHR = 0o020000;
/** Major number of miscellaneous devices (linux/major.h). */
const MISC_MAJOR = 10;
/** There while the target is loaded, or built in. */
const THIN_POOL_MODULE = "/sys/module/dm_thin_pool";

/**
 * Why the kernel's device mapper cannot be used here, or undefined where it can: for that one must be root, its control device must
 * open, and the kernel must have the thin-pool target. A target that is installed as a module and not loaded yet is loaded, as
 * Docker did it: what is chosen is not to depend on who used the device mapper before.
 */
export function missingForKernelMapper(): string | undefined {
  if (process.getuid?.() !== 0) return "it needs root";
  if (!existsSync(THIN_POOL_MODULE) && !loadThinPool()) return "the kernel has no thin-pool target";
  const closed = controlFailure();
  if (closed !== undefined) return closed;
  return haveLibdevmapper() ? undefined : "libdevmapper is not installed (package libdevmapper1.02.1)";
}

/** Whether the kernel's device mapper can be used here. */
export function kernelHasThinPool(): boolean {
  return missingForKernelMapper() === undefined;
}

function loadThinPool(): boolean {
  if (!existsSync(`/lib/modules/${release()}/modules.dep`)) return false;
  spawnSync("modprobe", ["-q", "dm-thin-pool"], { stdio: "ignore" });
  return existsSync(THIN_POOL_MODULE);
}

/** Opens the control device, whose node is made where udev has not. */
function controlFailure(): string | undefined {
  try {
    if (statSync(controlDevice, { throwIfNoEntry: false }) === undefined) {
      const minor = /^\s*(\d+) device-mapper$/m.exec(readFileSync("/proc/misc", "utf8"))?.[1];
      if (minor === undefined) return "the kernel has no device mapper";
      mkdirSync("/dev/mapper", { recursive: true });
      makeNode(controlDevice, S_IFCHR | 0o600, MISC_MAJOR, Number(minor));
    }
    closeSync(openSync(controlDevice, "r+"));
    return undefined;
  } catch (error) {
    return `${controlDevice} cannot be opened (${errorCode(error) ?? "EIO"})`;
  }
}
