import { closeSync, existsSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type DeviceNote, forgetNote, readNote, removeNotedLink, writeNote } from "../../block-device/device-note.ts";
import { POOL_FILE } from "../../block-device/exported-files.ts";
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
  refreshLoopSize,
  setLoopAutoclear,
} from "../../linux/loop.ts";
import { errorCode } from "../../linux/system-error.ts";
import { setReadOnly } from "../../linux/block-device.ts";
import { DeviceMapperError } from "../device-mapper-error.ts";
import { makeLink, requireFreeLink } from "./device-link.ts";

/** Tries, and the time between, for onlookers. */
const SETTLE_TRIES = 100;
const SETTLE_MS = 5;

/** The loop device on a file of a pool's mount, a volume or the pool itself: the block device that others see; and the link to it. */
export class VolumeLoop {
  readonly #file: string;
  readonly #note: string;
  readonly #runDir: string;
  readonly #readOnly: boolean;

  /**
   * @param name the file's, which is the device's unless that was renamed
   * @param runDir links that lead to files below it may be replaced
   */
  constructor(paths: PoolPaths, name: string, runDir = dirname(paths.folder)) {
    this.#file = join(paths.mount, name);
    this.#note = join(paths.devices, name);
    this.#runDir = runDir;
    this.#readOnly = name === POOL_FILE;
  }

  /** The device, such as "/dev/loop3", or undefined. One small file and one of sysfs are read. @param note `noted`, where it was read already */
  find(note = this.noted): string | undefined {
    const device = note?.device;
    return device !== undefined && this.#isOnFile(device) ? device : loopsOf(this.#file)[0];
  }

  #isOnFile(device: string): boolean {
    return loopBackingFile(device) === this.#file;
  }

  /**
   * Leaves a note that the volume is being made, so that it is found whatever becomes of its maker.
   *
   * @returns "again" when there was one: an earlier maker may have attached a device
   */
  announce(): "new" | "again" {
    try {
      closeSync(openSync(this.#note, "wx", 0o600));
      return "new";
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      return "again";
    }
  }

  /** Whether there is, or may be, such a volume. */
  get announced(): boolean {
    return existsSync(this.#note);
  }

  /** What is noted of it; undefined unless it was announced. */
  get noted(): DeviceNote | undefined {
    return readNote(this.#note);
  }

  /** Removes the note, and the link that it tells of. */
  forget(): void {
    forgetNote(this.#note);
  }

  /**
   * Notes something of the device, and makes it so: its link, in the place of the one before, and whether it takes writes. Who is killed here leaves no
   * link that nobody knows of. Where nothing is attached (any more), what attaches makes it so.
   */
  async note(changes: Omit<DeviceNote, "device">): Promise<void> {
    const lock = await lockFile(this.#note);
    try {
      const before = this.noted ?? {};
      const after = { ...before, ...changes };
      if (changes.link !== undefined) requireFreeLink(changes.link, this.#runDir);
      if (before.link !== after.link) removeNotedLink(before);
      writeNote(this.#note, after);
      // The device that an earlier maker noted may be another's by now.
      if (after.device === undefined || !this.#isOnFile(after.device)) return;
      if (changes.link !== undefined) makeLink(changes.link, after.device, this.#runDir);
      if (changes.readOnly !== undefined) setReadOnly(after.device, changes.readOnly ? "read-only" : "read-write");
    } finally {
      lock.release();
    }
  }

  /** The device, attached with direct I/O unless it was; one of several callers does it. "new" spares the search for it. */
  async attach(mark: "new" | "again" = "again", options: Pick<LoopOptions, "blockSizeBytes"> = {}): Promise<string> {
    const lock = await lockFile(this.#note);
    try {
      const note = this.noted ?? {};
      const device = mark === "new" && note.device === undefined ? undefined : this.find();
      if (device !== undefined && device === note.device) return device;
      const attached = device ?? this.#attach(options);
      writeNote(this.#note, { ...note, device: attached });
      if (note.readOnly === true) setReadOnly(attached, "read-only");
      if (note.link !== undefined) this.#linkIfFree(note.link, attached);
      return attached;
    } finally {
      lock.release();
    }
  }

  #attach(options: LoopOptions): string {
    const device = attachLoop(this.#file, { ...options, directIo: true, readOnly: this.#readOnly });
    if (loopInfo(device)?.directIo !== true) {
      detachLoop(device);
      throw new DeviceMapperError("EOPNOTSUPP", `Cannot attach '${this.#file}': ${device} does no direct I/O on it`);
    }
    tune(device);
    return device;
  }

  /** The device matters more than its link: whoever wants that is told when it is asked for. */
  #linkIfFree(link: string, device: string): void {
    try {
      makeLink(link, device, this.#runDir);
    } catch (error) {
      if (!(error instanceof DeviceMapperError)) throw error;
    }
  }

  /**
   * Detaches, and removes the link. EBUSY, and all is as before, when someone uses it.
   *
   * @param options.onlookers those who open a device only to look at it, as many programs do, are waited for, or count as users
   */
  async detach(name: string, options: { onlookers: "wait for" | "count" }): Promise<void> {
    const { link } = this.noted ?? {};
    // First, so that it never leads to another's device.
    if (link !== undefined) removeNotedLink(this.noted ?? {});
    try {
      await this.#detach(name, options.onlookers === "wait for" ? SETTLE_TRIES : 1);
    } catch (error) {
      const { readOnly } = this.noted ?? {};
      await this.note({ ...(link === undefined ? {} : { link }), ...(readOnly === undefined ? {} : { readOnly }) });
      throw error;
    }
  }

  async #detach(name: string, tries: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const device = this.find();
      if (device === undefined) break;
      this.#takeWrites(device);
      const result = detachLoop(device);
      if (result === "detached" && !this.#isOnFile(device)) break;
      // "detached" but still there: someone has it open, and the kernel would detach it at the close.
      if (result === "busy" || (attempt >= tries && this.#stays(device))) {
        throw new DeviceMapperError("EBUSY", `Cannot remove '${name}': ${device} is mounted or open`);
      }
      await sleep(SETTLE_MS);
    }
  }

  /** Tells the kernel not to detach it at the close after all; false when that has come meanwhile. */
  #stays(device: string): boolean {
    try {
      setLoopAutoclear(device, "off");
      return true;
    } catch (error) {
      if (errorCode(error) === "ENXIO") return false;
      throw error;
    }
  }

  /** Brings the device up to date with its file's size. */
  refreshSize(): void {
    statSync(this.#file); // the kernel caches the size; asking for it brings it up to date
    const device = this.find();
    if (device !== undefined) refreshLoopSize(device);
  }

  /** Before it is detached: a loop device goes on to refuse writes, whoever has it next. */
  #takeWrites(device: string): void {
    if (this.noted?.readOnly === true) setReadOnly(device, "read-write");
  }

  /** Lets the kernel detach it when its last user closes it. */
  detachLater(): void {
    const device = this.find();
    if (device === undefined) return;
    this.#takeWrites(device);
    detachLoop(device, { deferred: true });
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
