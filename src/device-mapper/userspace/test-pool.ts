// For tests: a pool in a temporary folder, and certainty that nothing of it stays.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mappedRunDir } from "../../block-device/mapped/mapped-process.ts";
import { poolPaths } from "../../block-device/pool-paths.ts";
import { readPoolState } from "../../block-device/pool-state.ts";
import { isAlive, type ProcessIdentity } from "../../block-device/process-identity.ts";
import { allLoops, detachLoop } from "../../linux/loop.ts";
import { mountTable } from "../../linux/mount-table.ts";
import { unmount, unmountAsync } from "../../linux/mount.ts";
import { DeviceMapperSetup } from "../compliance/device-mapper-setup.ts";
import type { DeviceMapper } from "../device-mapper.ts";
import { userspaceDeviceMapper } from "./userspace-device-mapper.ts";

/** Why device mapper tests cannot run here, or false. */
export const cannotRun: string | false =
  process.getuid?.() === 0 && existsSync("/dev/fuse") && existsSync("/dev/loop-control")
    ? false
    : "needs root, /dev/fuse and loop devices";

/** A folder with run folder, device files and mount points for one test. */
export class TestPool extends DeviceMapperSetup {
  readonly runDir = join(this.folder, "run");
  readonly mapper: DeviceMapper = userspaceDeviceMapper({ runDir: this.runDir });

  another(): DeviceMapper {
    return userspaceDeviceMapper({ runDir: this.runDir });
  }

  device(name: string, mebibytes: number): string {
    return this.file(name, mebibytes);
  }

  engine(pool: string): ProcessIdentity | undefined {
    return readPoolState(poolPaths(this.runDir, pool))?.engine;
  }

  supervisor(pool: string): ProcessIdentity | undefined {
    return readPoolState(poolPaths(this.runDir, pool))?.supervisor;
  }

  /** Kills a process of the pool and waits until it is gone. */
  async kill(victim: ProcessIdentity | undefined): Promise<void> {
    if (victim === undefined || !isAlive(victim)) throw new Error("Cannot kill: no such process");
    process.kill(victim.pid, "SIGKILL");
    while (isAlive(victim)) await sleep(1);
  }

  /** Waits for an engine that is another than this one. */
  async nextEngine(pool: string, before: ProcessIdentity | undefined): Promise<void> {
    const giveUpAt = performance.now() + 20_000;
    for (;;) {
      const engine = this.engine(pool);
      if (engine !== undefined && isAlive(engine) && engine.pid !== before?.pid) return;
      if (performance.now() > giveUpAt) throw new Error("Cannot wait longer for another engine");
      await sleep(2);
    }
  }

  /** What is mounted, attached or running because of this test. */
  remains(): string[] {
    const mounts = mountTable().filter(({ mountPoint }) => mountPoint.startsWith(this.folder));
    const loops = allLoops().filter(({ backingFile }) => backingFile.startsWith(this.folder));
    return [
      ...mounts.map(({ mountPoint }) => `mounted: ${mountPoint}`),
      ...loops.map(({ device, backingFile }) => `attached: ${device} ${backingFile}`),
      ...this.#pools().flatMap((pool) =>
        [this.supervisor(pool), this.engine(pool)].filter(isAlive).map((one) => `running: ${one?.pid}`),
      ),
    ];
  }

  /** Mapped devices too, by their paths in the run folder. */
  #pools(): string[] {
    const mapped = relative(this.runDir, mappedRunDir(this.runDir));
    return [...foldersIn(this.runDir), ...foldersIn(join(this.runDir, mapped)).map((name) => join(mapped, name))];
  }

  /** Ends everything by force, however the test went. */
  async destroy(): Promise<void> {
    const inMount = (path: string) => path.startsWith(`${this.runDir}/`);
    for (const { mountPoint } of mountTable().reverse()) {
      if (mountPoint.startsWith(this.folder) && !inMount(mountPoint))
        await unmountAsync(mountPoint, { lazy: true }).catch(() => undefined);
    }
    // Processes first: whoever waits for a dead engine is released when /dev/fuse is closed.
    for (const pool of this.#pools()) {
      for (const victim of [this.supervisor(pool), this.engine(pool)])
        if (isAlive(victim)) process.kill(victim!.pid, "SIGKILL");
      await sleep(20);
    }
    for (const { device, backingFile } of allLoops()) {
      if (backingFile.startsWith(this.folder)) detachLoop(device, { deferred: true });
    }
    for (const { mountPoint } of mountTable().reverse())
      if (mountPoint.startsWith(this.folder)) unmount(mountPoint, { lazy: true });
    for (const pool of this.#pools())
      rmSync(join(poolPaths(this.runDir, pool).journal, ".."), { recursive: true, force: true });
    await this.removeFolder();
  }
}

function foldersIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path).filter((name) => !name.endsWith(".lock") && !name.startsWith("."));
}
