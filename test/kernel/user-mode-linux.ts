import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { packageFile } from "../../src/linux/package-root.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;
const MODULES_ROOT = "/usr/lib/uml/modules";

/** Why User-mode Linux cannot be booted here, or undefined where it can. */
export function missingForUserModeLinux(): string | undefined {
  const missing = ["/usr/bin/linux.uml", "/sbin/insmod", "/usr/bin/cc"].filter((file) => !existsSync(file));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/**
 * Boots User-mode Linux (Debian's, 6.1) with this machine's file system as its root and runs a bash script there, at the
 * processor's own speed. What it writes goes to $SCRATCH, a tmpfs of its own. Gives back what it printed; throws where it failed.
 *
 * @param modules kernel modules to insert, in order
 */
export async function runInUserModeLinux(script: string, modules: readonly string[]): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "mica-uml-"));
  try {
    const shim = join(dir, "xstate.so");
    execFileSync("cc", ["-shared", "-fPIC", "-O2", "-o", shim, packageFile("test/kernel/uml-xstate.c"), "-ldl"]);
    const release = readdirSync(MODULES_ROOT)[0];
    const inserts = modules.map((name) => `insmod "$(find ${MODULES_ROOT}/${release}/kernel -name ${name}.ko)"`);
    const init = join(dir, "init");
    const scratch = join(dir, "scratch");
    mkdirSync(scratch);
    writeFileSync(
      init,
      [
        "#!/bin/bash",
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DM_DISABLE_UDEV=1",
        "mount -t proc proc /proc; mount -t sysfs sys /sys; mountpoint -q /dev || mount -t devtmpfs dev /dev",
        // Nothing of the machine's is covered: the checkout may be anywhere.
        `export SCRATCH=${scratch} TMPDIR=${scratch} MICA_RUN_DIR=${scratch}/run`,
        "mount -t tmpfs tmpfs $SCRATCH",
        "mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm",
        ...inserts,
        "echo BEGIN",
        `( set -e`,
        `cd ${packageFile(".")}`,
        script,
        ") 2>&1",
        'echo "STATUS $?"',
        "echo o > /proc/sysrq-trigger",
        "sleep 10",
        "",
      ].join("\n"),
      { mode: 0o755 },
    );
    const { stdout } = await run(
      "timeout",
      [
        [
          "-k",
          "5",
          String(TIMEOUT_MS / 1000),
          "linux.uml",
          "mem=1G",
          "root=/dev/root",
          "rootfstype=hostfs",
          "hostfs=/",
        ],
        ["rw", "quiet", `init=${init}`, "con=null", "con0=fd:0,fd:1"],
      ].flat(),
      { env: { ...process.env, LD_PRELOAD: shim }, maxBuffer: 16 << 20 },
    ).catch((error: unknown) => error as { stdout: string });
    const output = /BEGIN\r?\n([^]*?)^STATUS (\d+)/m.exec(stdout);
    if (output?.[2] !== "0") throw new Error(`The script failed in User-mode Linux:\n${stdout}`);
    return output[1].replaceAll("\r", "");
  } finally {
    rmSync(dir, { recursive: true });
  }
}
