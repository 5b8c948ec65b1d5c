import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { lockFileSync, type FileLock } from "../../src/linux/flock.ts";
import { packageFile } from "../../src/linux/package-root.ts";
import { errorCode } from "../../src/linux/system-error.ts";

const run = promisify(execFile);
const MODULES_ROOT = "/usr/lib/uml/modules";

/** What the real dm-thin needs, in the order in which the modules go in. */
export const thinPoolModules = ["loop", "dm-mod", "dm-bufio", "dm-bio-prison", "dm-persistent-data", "dm-thin-pool"];

/** How to boot. */
export interface UserModeLinuxOptions {
  /** Kernel modules to insert, in order. */
  modules: readonly string[];
  /** Its memory; $SCRATCH is in it, and takes at most three quarters. Default 1024. */
  mebibytes?: number;
  /** Default 120,000. */
  timeoutMs?: number;
  /** A folder of this machine that the script can write to, as $OUT. Nothing else of the machine's is writable. */
  output?: string;
}

/** Why User-mode Linux cannot be booted here, or undefined where it can. */
export function missingForUserModeLinux(): string | undefined {
  const missing = ["/usr/bin/linux.uml", "/sbin/insmod", "/usr/bin/cc"].filter((file) => !existsSync(file));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** The release of the kernel that boots, such as "6.1.176". */
export function userModeLinuxRelease(): string {
  return readdirSync(MODULES_ROOT)[0];
}

/** What the kernel is called in the runner's last lines. */
export function userModeLinuxName(): string {
  return `Linux ${userModeLinuxRelease()} (User-mode Linux)`;
}

/**
 * Boots User-mode Linux (Debian's, 6.1) with this machine's file system, read-only, as its root and runs a bash script there, at
 * the processor's own speed. Writable are $SCRATCH (a tmpfs, TMPDIR and HOME too), /run, and a copy of /etc/lvm that goes with it;
 * `scratch_disk NAME SIZE` makes an ext4 of that size in $SCRATCH and mounts it as $SCRATCH/NAME, for what tmpfs cannot do
 * (O_DIRECT). udev does not run there.
 *
 * @returns what the script printed
 * @throws Error with all output where the script failed, or took too long
 */
export async function runInUserModeLinux(script: string, options: UserModeLinuxOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "mica-uml-"));
  const processor = takeProcessor();
  try {
    const shim = join(folder, "xstate.so");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", shim, packageFile("test/kernel/uml-xstate.c"), "-ldl"]);
    const init = join(folder, "init");
    mkdirSync(join(folder, "scratch"));
    mkdirSync(join(folder, "out"));
    writeFileSync(init, initScript(folder, script, options), { mode: 0o755 });
    const { stdout } = await run(
      "timeout",
      [
        ["-k", "5", String((options.timeoutMs ?? 120_000) / 1000)],
        ["taskset", "--cpu-list", String(processor.number)],
        ["linux.uml", `mem=${options.mebibytes ?? 1024}M`, "root=/dev/root", "rootfstype=hostfs", "hostfs=/"],
        ["ro", "quiet", `init=${init}`, "con=null", "con0=fd:0,fd:1"],
      ].flat(),
      { env: { ...process.env, LD_PRELOAD: shim }, maxBuffer: 256 << 20 },
    ).catch((error: unknown) => error as { stdout: string });
    const output = /BEGIN\r?\n([^]*?)^STATUS (\d+)/m.exec(stdout);
    if (output?.[2] !== "0") throw new Error(`The script failed in User-mode Linux:\n${stdout}`);
    return output[1].replaceAll("\r", "");
  } finally {
    processor.release();
    rmSync(folder, { recursive: true });
  }
}

/**
 * One of the processors that this process may use, if possible one that no other User-mode Linux is on. It uses one at a time, the kernel's process
 * and that of its programs by turns at each system call: on two processors each turn wakes the other one, and starting a program takes three times
 * as long.
 */
function takeProcessor(): { number: number } & FileLock {
  const numbers = allowedProcessors();
  mkdirSync(packageFile(".cache"), { recursive: true });
  for (const number of numbers) {
    try {
      return { number, ...lockFileSync(packageFile(`.cache/user-mode-linux-on-${number}`)) };
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
    }
  }
  return { number: numbers[Math.trunc(Math.random() * numbers.length)], release: () => undefined };
}

/** By proc(5), where they stand as "0-3,8". */
function allowedProcessors(): number[] {
  const [, list] = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "latin1"))!;
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function initScript(folder: string, script: string, options: UserModeLinuxOptions): string {
  const release = userModeLinuxRelease();
  const scratch = join(folder, "scratch");
  const out = join(folder, "out");
  return [
    "#!/bin/bash",
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DM_DISABLE_UDEV=1",
    "mount -t proc proc /proc; mount -t sysfs sys /sys; mountpoint -q /dev || mount -t devtmpfs dev /dev",
    `export SCRATCH=${scratch} TMPDIR=${scratch} HOME=${scratch} MICA_RUN_DIR=${scratch}/run`,
    "mount -t tmpfs -o size=75% tmpfs $SCRATCH",
    "mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm",
    "mount -t tmpfs tmpfs /run && mkdir -p /run/lock /run/lvm",
    "if [ -d /etc/lvm ]; then mkdir $SCRATCH/etc-lvm; cp -a /etc/lvm/. $SCRATCH/etc-lvm; mount --bind $SCRATCH/etc-lvm /etc/lvm; fi",
    ...(options.output === undefined ? [] : [`mount -t hostfs -o ${options.output} none ${out}; export OUT=${out}`]),
    "ip link set lo up 2>/dev/null",
    ...options.modules.map((name) => `insmod "$(find ${MODULES_ROOT}/${release}/kernel -name ${name}.ko)"`),
    "scratch_disk() {",
    '  truncate -s "$2" "$SCRATCH/$1.disk" && mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 "$SCRATCH/$1.disk" &&',
    '  mkdir "$SCRATCH/$1" && mount -o loop "$SCRATCH/$1.disk" "$SCRATCH/$1"',
    "}",
    "echo BEGIN",
    "( set -e",
    `cd ${packageFile(".")}`,
    script,
    ") 2>&1",
    'echo "STATUS $?"',
    "echo o > /proc/sysrq-trigger",
    "sleep 10",
    "",
  ].join("\n");
}
