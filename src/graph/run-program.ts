import { execFile } from "node:child_process";
import { errorCode } from "../linux/system-error.ts";
import { GraphError } from "./graph-error.ts";

/** The programs that the graph runs, and Debian's packages of them. */
const packages = {
  "mkfs.ext4": "e2fsprogs",
  tune2fs: "e2fsprogs",
  resize2fs: "e2fsprogs",
  e2fsck: "e2fsprogs",
  debugfs: "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  xfs_growfs: "xfsprogs",
  pvcreate: "lvm2",
  pvremove: "lvm2",
  pvs: "lvm2",
  vgcreate: "lvm2",
  vgremove: "lvm2",
  vgchange: "lvm2",
  vgs: "lvm2",
  lvcreate: "lvm2",
  lvconvert: "lvm2",
  lvchange: "lvm2",
  blkid: "util-linux",
  wipefs: "util-linux",
};

/**
 * Runs a program, without a terminal to ask questions on.
 *
 * @param options.acceptedStatus an exit status that is no failure either
 * @returns what it printed
 * @throws GraphError EIO with its complaint; ENOTSUP with the package to install where it is missing
 */
export function runProgram(
  program: keyof typeof packages,
  parameters: string[],
  options: { acceptedStatus?: number } = {},
): Promise<string> {
  const env = {
    ...process.env,
    PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
    LC_ALL: "C",
    // Else LVM's tools tell of every file that this process has open.
    LVM_SUPPRESS_FD_WARNINGS: "1",
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, parameters, { env }, (error, stdout, stderr) => {
      if (error === null || (options.acceptedStatus !== undefined && error.code === options.acceptedStatus)) {
        resolve(stdout);
        return;
      }
      const missing = errorCode(error) === "ENOENT";
      const why = missing
        ? `there is no such program; it is in Debian's package ${packages[program]}`
        : complaint(stderr) || complaint(stdout) || error.message;
      reject(new GraphError(missing ? "ENOTSUP" : "EIO", `Cannot run ${program} ${parameters.join(" ")}: ${why}`));
    });
    child.stdin?.end();
  });
}

/** mkfs.xfs puts its whole usage behind what is wrong. */
function complaint(output: string): string {
  const lines = output.split("\n").map((line) => line.trim());
  const usage = lines.findIndex((line) => line.startsWith("Usage:"));
  return lines
    .slice(0, usage < 0 ? undefined : usage)
    .filter((line) => line !== "")
    .join("; ");
}
