import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lockFileSync, type FileLock } from "../linux/flock.ts";
import { errorCode } from "../linux/system-error.ts";
import type { ImageDevices } from "./image-devices.ts";
import type { StoreFiles } from "./store-files.ts";
import type { StoreLocks } from "./store-locks.ts";

/** Whose record will claim the device: a layer's, a container's, or nobody's. */
export type OwnerKind = "layer" | "container" | "temporary";

/** A device that is being made or removed. */
export interface PendingDevice {
  owner: OwnerKind;
  device: string;
}

/** The mark of a change under way. */
export interface PendingMark extends PendingDevice {
  path: string;
  lock: FileLock;
}

/**
 * The one door for changes that make or remove a device. Before anything else such a change puts down a mark, an empty
 * locked file whose name tells the device and its owner's record; the mark goes when the change is over. A device that a
 * mark names and no record claims is to go: at the change's own end when it failed, or when the store is opened next and
 * finds a mark that nobody holds, after a crash. So a device is never made before its mark nor recorded after it.
 */
export class PendingDevices {
  private readonly files: StoreFiles;
  private readonly locks: StoreLocks;
  private readonly devices: ImageDevices;

  constructor(files: StoreFiles, locks: StoreLocks, devices: ImageDevices) {
    this.files = files;
    this.locks = locks;
    this.devices = devices;
  }

  /**
   * Runs a change under a mark. If no record claims the device at the end, however the change ends, the device is removed.
   *
   * @param change calls `claimed` when it has written the record, which spares looking for it
   */
  async during<T>(pending: PendingDevice, change: (claimed: () => void) => Promise<T>): Promise<T> {
    // Under the records' lock, so that who looks for dead marks does not find this one before it is locked.
    const mark = await this.locks.records(() => this.mark(pending));
    let isClaimed = false;
    try {
      return await change(() => (isClaimed = true));
    } finally {
      await this.settle(mark, isClaimed);
    }
  }

  /** Puts down a mark. Only for who holds the records' lock, and calls `settle` when the change is over. */
  mark(pending: PendingDevice): PendingMark {
    const path = join(this.files.pendingFolder, `${pending.owner}-${pending.device}`);
    return { ...pending, path, lock: lockFileSync(path) };
  }

  /** Ends a change: removes the device if no record claims it, then the mark. If that fails, the next opening tries again. */
  async settle(mark: PendingMark, isClaimed = false): Promise<void> {
    try {
      if (!isClaimed && !this.isClaimed(mark)) await this.devices.remove(mark.device);
      rmSync(mark.path, { force: true });
    } finally {
      mark.lock.release();
    }
  }

  /** Completes what died: removes the devices of dead marks that no record claims. @returns whether there were such marks */
  async settleDead(): Promise<boolean> {
    const dead = await this.locks.records(() => this.takeDead());
    for (const mark of dead) {
      if (await this.unmounted(mark)) await this.settle(mark);
      else mark.lock.release();
    }
    return dead.length > 0;
  }

  /** Unmounts what the dead left mounted. False while its helper lives on in there: the next opening tries again. */
  private async unmounted({ device }: PendingDevice): Promise<boolean> {
    try {
      await this.devices.put(device);
      return true;
    } catch (error) {
      if (errorCode(error) === "EBUSY") return false;
      throw error;
    }
  }

  /** Whether there is any mark at all, dead or alive. */
  any(): boolean {
    return readdirSync(this.files.pendingFolder).length > 0;
  }

  private takeDead(): PendingMark[] {
    const dead: PendingMark[] = [];
    for (const name of readdirSync(this.files.pendingFolder)) {
      const [, owner, device = ""] = /^([a-z]+)-(.+)$/.exec(name) ?? [];
      if (!isOwnerKind(owner)) continue;
      const path = join(this.files.pendingFolder, name);
      const lock = tryLock(path);
      if (lock !== undefined) dead.push({ owner, device, path, lock });
    }
    return dead;
  }

  private isClaimed({ owner, device }: PendingDevice): boolean {
    if (owner === "layer") return this.files.layers().some((layer) => layer.device === device);
    if (owner === "temporary") return false;
    return (
      this.files.container(device) !== undefined ||
      this.files.containers().some((each) => each.device === device || each.below === device)
    );
  }
}

function isOwnerKind(text: string | undefined): text is OwnerKind {
  return text === "layer" || text === "container" || text === "temporary";
}

function tryLock(path: string): FileLock | undefined {
  try {
    return lockFileSync(path);
  } catch (error) {
    if (errorCode(error) === "EAGAIN") return undefined;
    throw error;
  }
}
