import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { deviceNumber } from "../../linux/device-path.ts";
import { readFileSystem } from "./file-system-superblock.ts";
import { runProgram } from "../run-program.ts";
import type { FileSystemType } from "../options/storage-options.ts";

/**
 * Formats a thin device. What was never written reads as zeroes there, and mkfs is told so: it takes a moment and a few blocks of the
 * pool, whatever the size.
 *
 * @param extraArguments dm.mkfsarg
 */
export async function makeFileSystem(type: FileSystemType, device: string, extraArguments: string[]): Promise<void> {
  const extra = extraArguments.flatMap((argument) => argument.trim().split(/\s+/));
  if (type === "xfs") {
    await runProgram("mkfs.xfs", ["-q", "-f", "-K", ...xfsLog(extra), ...extra, device]);
    return;
  }
  // mke2fs takes the last -E alone, so what the user extends is put together with ours.
  const extended = ["nodiscard", "assume_storage_prezeroed=1", "lazy_itable_init=1", "lazy_journal_init=1"];
  const others: string[] = [];
  for (let index = 0; index < extra.length; index++) {
    if (extra[index] === "-E" && index + 1 < extra.length) extended.push(extra[++index]);
    else if (extra[index].startsWith("-E")) extended.push(extra[index].slice(2));
    else others.push(extra[index]);
  }
  await runProgram("mkfs.ext4", ["-q", "-F", "-E", extended.join(","), ...others, device]);
  // A container must not be held up by a periodic check. Recent mke2fs sets it so by itself.
  if (readFileSystem(device)?.periodicCheck === true) await runProgram("tune2fs", ["-c", "-1", "-i", "0", device]);
}

/** Removes the folder that mkfs.ext4 makes, from a file system just made: its root is then as empty as a container's. fsck does without. */
export async function removeLostAndFound(device: string): Promise<void> {
  await runProgram("debugfs", ["-w", "-R", "rmdir lost+found", device]);
}

/** mkfs.xfs writes its whole log: the smallest that it makes is enough for a container. */
function xfsLog(extra: string[]): string[] {
  return extra.some((argument) => argument.startsWith("-l")) ? [] : ["-l", "size=64m"];
}

/**
 * Makes a mounted file system as large as its device.
 *
 * @returns false for an ext4 that has to be unmounted for it: the kernel grows a mounted one only for who has CAP_SYS_RESOURCE, which
 *   root in many containers has not
 */
export async function growMounted(type: FileSystemType, device: string, mountPoint: string): Promise<boolean> {
  if (type === "xfs") {
    await runProgram("xfs_growfs", ["-d", mountPoint]);
    return true;
  }
  try {
    await runProgram("resize2fs", [device]);
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes("Permission denied")) return false;
    throw error;
  }
}

/** Makes an unmounted ext4, whose journal has been replayed, as large as its device. */
export async function growUnmountedExt4(device: string): Promise<void> {
  await runProgram("e2fsck", ["-f", "-p", device], { acceptedStatus: 1 });
  await runProgram("resize2fs", [device]);
}

/** Mount options that the type needs: snapshots of one XFS share its UUID. */
export function requiredMountOptions(type: FileSystemType): string {
  return type === "xfs" ? "nouuid" : "";
}

/** dm.xfs_nospace_max_retries: how often a mounted XFS tries again when the pool is full. */
export function limitXfsRetries(device: string, retries: number): void {
  // sysfs has the kernel's own name, such as dm-3, for what is /dev/mapper/NAME.
  const name = basename(realpathSync(`/sys/dev/block/${deviceNumber(device)}`));
  writeFileSync(`/sys/fs/xfs/${name}/error/metadata/ENOSPC/max_retries`, String(retries));
}

/** Whether the running kernel has the type, built in or loaded. */
export function kernelHasFileSystem(type: FileSystemType): boolean {
  return readFileSync("/proc/filesystems", "utf8")
    .split("\n")
    .some((line) => line.trim().split(/\s+/).pop() === type);
}
