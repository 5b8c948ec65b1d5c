import { execFile, execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { packageFile } from "../../src/linux/package-root.ts";

const run = promisify(execFile);
const BOOT_TIMEOUT_MS = 180_000;

/** Modules in the order in which they can be inserted. */
const MODULES = [
  "virtio_ring",
  "virtio",
  "virtio_pci_modern_dev",
  "virtio_pci_legacy_dev",
  "virtio_pci",
  "virtio_blk",
  "libcrc32c",
  "dm-mod",
  "dm-bufio",
  "dm-bio-prison",
  "dm-persistent-data",
  "dm-thin-pool",
];

/** Why the kernel cannot be booted here, or undefined where it can. */
export function missingForKernel(): string | undefined {
  if (!existsSync(packageFile(".cache/kernel/vmlinuz"))) return "no kernel in .cache/kernel (scripts/fetch-kernel.sh)";
  const tools = ["/usr/bin/qemu-system-x86_64", "/usr/sbin/dmsetup", "/usr/bin/busybox", "/usr/bin/cpio"];
  const missing = tools.filter((tool) => !existsSync(tool) && !existsSync(tool.replace("/usr", "")));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/**
 * Boots Debian's kernel in QEMU without hardware help, with `drives` (raw images) as /dev/vda, /dev/vdb, …, and runs
 * `script` there by busybox's sh with `set -e`, dmsetup at hand. Gives back what it printed; throws where it failed.
 */
export async function runInKernel(script: string, drives: readonly string[]): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "mica-kernel-"));
  try {
    const initrd = makeInitrd(dir, script);
    const { stdout } = await run(
      "qemu-system-x86_64",
      [
        ["-accel", "tcg,thread=multi", "-cpu", "max", "-m", "512", "-nographic", "-no-reboot", "-nic", "none"],
        ["-kernel", packageFile(".cache/kernel/vmlinuz"), "-initrd", initrd],
        ["-append", "console=ttyS0 quiet panic=-1 loglevel=3"],
        ...drives.map((file) => ["-drive", `file=${file},format=raw,if=virtio,cache=unsafe,discard=unmap`]),
      ].flat(),
      { timeout: BOOT_TIMEOUT_MS, maxBuffer: 16 << 20 },
    );
    const output = /BEGIN\r?\n([^]*?)^STATUS (\d+)/m.exec(stdout);
    if (output?.[2] !== "0") throw new Error(`The script failed in the kernel:\n${stdout}`);
    return output[1].replaceAll("\r", "");
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function makeInitrd(dir: string, script: string): string {
  const root = join(dir, "root");
  for (const folder of ["bin", "proc", "sys", "dev", "modules"]) mkdirSync(join(root, folder), { recursive: true });
  for (const module of readdirSync(packageFile(".cache/kernel/modules"))) {
    copyFileSync(packageFile(join(".cache/kernel/modules", module)), join(root, "modules", module));
  }
  copyProgram("/usr/sbin/dmsetup", root);
  copyFileSync("/usr/bin/busybox", join(root, "bin/busybox"));
  writeFileSync(join(root, "script"), `set -e\n${script}\n`);
  writeFileSync(
    join(root, "init"),
    [
      "#!/bin/busybox sh",
      "/bin/busybox --install -s /bin",
      "export PATH=/bin:/usr/sbin DM_DISABLE_UDEV=1",
      "mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev",
      ...MODULES.map((module) => `insmod /modules/${module}.ko`),
      "echo BEGIN",
      "sh /script 2>&1",
      'echo "STATUS $?"',
      "sync; poweroff -f",
      "",
    ].join("\n"),
  );
  chmodSync(join(root, "init"), 0o755);
  const initrd = join(dir, "initrd");
  execFileSync("sh", ["-c", `find . | cpio --quiet -o -H newc > ${initrd}`], { cwd: root });
  return initrd;
}

/** A program with the shared libraries that the loader would give it. */
function copyProgram(program: string, root: string): void {
  const libraries = execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/(\/\S+\.so\S*)/g);
  for (const file of [program, ...[...libraries].map((match) => match[1])]) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    copyFileSync(file, join(root, dirname(file), basename(file)));
  }
}
