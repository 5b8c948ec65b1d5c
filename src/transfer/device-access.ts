import { closeSync, constants, openSync, read, write } from "node:fs";
import { promisify } from "node:util";
import { logicalBlockBytes } from "../linux/block-device.ts";
import { sectorBytes } from "./stream/format.ts";

const readFile = promisify(read);
const writeFile = promisify(write);

/** What a block device is opened for. To write it is claimed: nobody mounts it meanwhile. */
export type DeviceUse = "read" | "write";

/** Opens a block device, past the page cache wherever every sector can be asked for by itself. */
export function openDevice(path: string, use: DeviceUse): number {
  const flags = use === "read" ? constants.O_RDONLY : constants.O_RDWR | constants.O_EXCL;
  const fd = openSync(path, flags | constants.O_DIRECT);
  if (logicalBlockBytes(fd) <= sectorBytes) return fd;
  closeSync(fd);
  return openSync(path, flags);
}

/** Fills memory from a device. */
export async function readFully(fd: number, memory: Uint8Array, offsetBytes: number): Promise<void> {
  for (let done = 0; done < memory.length;) {
    const { bytesRead } = await readFile(fd, memory, done, memory.length - done, offsetBytes + done);
    if (bytesRead === 0) throw new Error(`Cannot read the device at ${offsetBytes + done}: it ends there`);
    done += bytesRead;
  }
}

/** Writes all of the memory to a device. */
export async function writeFully(fd: number, memory: Uint8Array, offsetBytes: number): Promise<void> {
  for (let done = 0; done < memory.length;) {
    const { bytesWritten } = await writeFile(fd, memory, done, memory.length - done, offsetBytes + done);
    done += bytesWritten;
  }
}
