import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, rmdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fuseMountData } from "../block-device/fuse-mount.ts";
import { formatReport, readReport, type ReadyReport } from "../block-device/ready-report.ts";
import { attachLoop, detachLoop, setLoopAutoclear } from "../linux/loop.ts";
import { mount, mountAsync, mountFlags, unmountAsync } from "../linux/mount.ts";
import { packageFile } from "../linux/package-root.ts";
import { errorCode } from "../linux/system-error.ts";
import type { KeeperTask } from "./mount-frozen.ts";
import { deviceFile } from "./serve-device.ts";

const STDOUT = 1;
/** nouuid: the devices of a pool are copies of one another. */
const mountData = { ext4: "", xfs: "nouuid" };

/** Mounts the device, reports, and unmounts it again when standard input ends. */
export async function keepMount(task: KeeperTask): Promise<void> {
  const asked = once(process.stdin.resume(), "end");
  // Done in reverse order at the end.
  const undo: (() => Promise<void> | void)[] = [];
  let report: ReadyReport = { ok: true };
  try {
    await mountAll(task, undo);
  } catch (error) {
    report = { error: { code: errorCode(error) ?? "EIO", message: (error as Error).message } };
  }
  writeSync(STDOUT, formatReport(report));
  if ("ok" in report) await asked;
  for (const step of undo.reverse()) {
    try {
      await step();
    } catch (error) {
      // What is left ends with this process, and its mount namespace.
      console.error((error as Error).message);
    }
  }
}

/**
 * The mounts are made by this process and served by another: who mounts waits for the server, and so would wait for itself.
 */
async function mountAll(task: KeeperTask, undo: (() => Promise<void> | void)[]): Promise<void> {
  const [fuse, root] = ["fuse", "root"].map((name) => join(task.folder, name));
  undo.push(() => rmdirSync(task.folder));
  for (const folder of [fuse, root]) {
    mkdirSync(folder);
    undo.push(() => rmdirSync(folder));
  }
  const fuseFd = openSync("/dev/fuse", "r+");
  const { noSuid, noDev, noExec, readOnly, noAtime } = mountFlags;
  mount("mica-frozen", fuse, "fuse", noSuid | noDev | noExec, fuseMountData(fuseFd));
  undo.push(() => unmountAsync(fuse, { lazy: true }));
  await startServer(task, fuseFd);
  const device = attachLoop(join(fuse, deviceFile), { directIo: true });
  undo.push(() => {
    detachLoop(device, { deferred: true });
  });
  await mountAsync(device, root, task.fsType, readOnly | noSuid | noDev | noAtime, mountData[task.fsType]);
  setLoopAutoclear(device, "on");
  undo.push(() => unmountGently(root));
}

/** The descriptor is then the server's alone, so that the mount ends in errors, and not in waiting, when the server dies. */
async function startServer(task: KeeperTask, fuseFd: number): Promise<void> {
  const program = [packageFile("dist/frozen-device.js"), JSON.stringify(task), "serve"];
  const server = spawn(process.execPath, program, { stdio: ["pipe", "pipe", "inherit", fuseFd] });
  closeSync(fuseFd);
  const report = await readReport(server.stdout!, "server of the device");
  if ("error" in report) throw Object.assign(new Error(report.error.message), { code: report.error.code });
}

/** A folder that is still in use is let go when its user is done. */
async function unmountGently(folder: string): Promise<void> {
  try {
    await unmountAsync(folder);
  } catch (error) {
    if (errorCode(error) !== "EBUSY") throw error;
    await unmountAsync(folder, { lazy: true });
  }
}
