import { closeSync, constants, openSync, readFileSync, readlinkSync, rmSync, writeSync } from "node:fs";

/** What is noted, beside a pool's mount, of a file there that is a block device, or is to become one. Notes end with the pool's folder. */
export interface DeviceNote {
  /** The loop device, such as "/dev/loop3"; without one the file is announced only. */
  device?: string;
  /** The symbolic link that leads to it, such as "/dev/mapper/name". */
  link?: string;
  /** The device's name, where it may be another than the file's. */
  name?: string;
  /** The loop device is to refuse writes. */
  readOnly?: boolean;
}

/** Notes have one length, so that a new one is written over the old with one call: whoever reads sees the one or the other. */
const NOTE_BYTES = 1024;

/** The note at a path; undefined where the file is not announced. */
export function readNote(path: string): DeviceNote | undefined {
  let text;
  try {
    text = readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as DeviceNote;
  } catch {
    return {}; // announced, by a maker that came no further
  }
}

/** Writes a note over the one that is there, or that `O_CREAT` makes. To be called with the note's lock held. */
export function writeNote(path: string, note: DeviceNote): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    writeSync(fd, JSON.stringify(note).padEnd(NOTE_BYTES), 0, "latin1");
  } finally {
    closeSync(fd);
  }
}

/** Removes the link that a note tells of, if it leads where the note says. */
export function removeNotedLink({ device, link }: DeviceNote): void {
  if (device === undefined || link === undefined) return;
  try {
    if (readlinkSync(link) === device) rmSync(link);
  } catch {
    // It is gone, or something else is there.
  }
}

/** Removes a note, and the link that it tells of. */
export function forgetNote(path: string): void {
  const note = readNote(path);
  if (note === undefined) return;
  removeNotedLink(note);
  rmSync(path, { force: true });
}
