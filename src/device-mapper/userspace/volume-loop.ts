import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PoolPaths } from "../../block-device/pool-paths.ts";
import { lockFile } from "../../linux/flock.ts";
import {
  attachLoop,
  detachLoop,
  loopBackingFile,
  loopBusy,
  loopInfo,
  type LoopOptions,
  loopsOf,
  setLoopAutoclear,
} from "../../linux/loop.ts";
import { errorCode } from "../../linux/system-error.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";

/** Tries, and the time between, for those who open a device only to look at it. */
const SETTLE_TRIES = 100;
const SETTLE_MS = 5;

/** The loop device of a volume: the block device that others see. */
export class VolumeLoop {
  readonly #file: string;
  readonly #record: string;

  constructor(paths: PoolPaths, name: string) {
    this.#file = join(paths.mount, name);
    this.#record = join(paths.devices, name);
  }

  /** The device, such as "/dev/loop3", or undefined. One small file and one of sysfs are read. */
  find(): string | undefined {
    let device;
    try {
      device = readFileSync(this.#record, "utf8");
    } catch {
      return loopsOf(this.#file)[0];
    }
    return loopBackingFile(device) === this.#file ? device : loopsOf(this.#file)[0];
  }

  /**
   * Leaves a mark that the volume is being made, so that it is found whatever becomes of its maker.
   *
   * @returns "again" when there was one: an earlier maker may have attached a device
   */
  announce(): "new" | "again" {
    try {
      closeSync(openSync(this.#record, "wx", 0o600));
      return "new";
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      return "again";
    }
  }

  /** Whether there is, or may be, such a volume. */
  get announced(): boolean {
    return existsSync(this.#record);
  }

  /** Removes what `announce` left. */
  forget(): void {
    rmSync(this.#record, { force: true });
  }

  /** The device, attached with direct I/O unless it was; one of several callers does it. "new" spares the search for it. */
  async attach(
    mark: "new" | "again" = "again",
    options: Pick<LoopOptions, "readOnly" | "blockSizeBytes"> = {},
  ): Promise<string> {
    const lock = await lockFile(this.#record);
    try {
      return (mark === "new" && this.#unattached() ? undefined : this.find()) ?? this.#attach(options);
    } finally {
      lock.release();
    }
  }

  #unattached(): boolean {
    return readFileSync(this.#record, "utf8") === "";
  }

  #attach(options: LoopOptions): string {
    const device = attachLoop(this.#file, { ...options, directIo: true });
    if (loopInfo(device)?.directIo !== true) {
      detachLoop(device);
      throw new DeviceMapperError("EOPNOTSUPP", `Cannot attach '${this.#file}': ${device} does no direct I/O on it`);
    }
    writeFileSync(this.#record, device);
    tune(device);
    return device;
  }

  /** Detaches. EBUSY, and attached as before, when someone uses it. */
  async detach(name: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const device = this.find();
      if (device === undefined) break;
      const result = detachLoop(device);
      if (result === "detached" && loopBackingFile(device) !== this.#file) break;
      // "detached" but still there: someone has it open, and the kernel would detach it at the close.
      if (attempt === SETTLE_TRIES || result === "busy") {
        if (result !== "busy") setLoopAutoclear(device, "off");
        throw new DeviceMapperError("EBUSY", `Cannot remove '${name}': ${device} is mounted or open`);
      }
      await sleep(SETTLE_MS);
    }
  }

  /** Lets the kernel detach it when its last user closes it. */
  detachLater(): void {
    const device = this.find();
    if (device !== undefined) detachLoop(device, { deferred: true });
  }

  /** Takes `detachLater` back. */
  keep(): void {
    const device = this.find();
    if (device !== undefined) setLoopAutoclear(device, "off");
  }

  /** Whether someone has it open so that others are kept out: mounted, say. */
  busy(): boolean {
    const device = this.find();
    return device !== undefined && loopBusy(device);
  }
}

/**
 * Reads ahead as far as disks do; the elevator has nothing to sort for a file. Choosing the scheduler in force again is not free:
 * the kernel stops the queue for 20 ms all the same.
 */
function tune(device: string): void {
  const queue = `/sys/block/${device.slice("/dev/".length)}/queue`;
  try {
    writeFileSync(join(queue, "read_ahead_kb"), "512");
    const scheduler = join(queue, "scheduler");
    if (!readFileSync(scheduler, "utf8").includes("[none]")) writeFileSync(scheduler, "none");
  } catch {
    // Read-only sysfs, as in a container: slower, not wrong.
  }
}
