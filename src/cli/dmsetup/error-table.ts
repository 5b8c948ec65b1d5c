import type { TableSegment } from "../../device-mapper/mapped-devices.ts";
import { printError } from "../thin/output.ts";
import { askOf, type Designation } from "./designate.ts";
import { DmsetupFailure } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { loadTable } from "./load-table.ts";

/** None where it cannot be had, which is said: whether the device takes a table is what counts. */
async function tableOf(session: Session, device: Designation): Promise<TableSegment[]> {
  try {
    return await askOf(session, "table", device, (devices, name) => devices.table(name));
  } catch (error) {
    if (!(error instanceof DmsetupFailure)) throw error;
    printError(`${error.message}\n`);
    return [];
  }
}

/** `failAllIo` for a device that is to go by force: where it cannot be had, it may go all the same. */
export async function tryToFailAllIo(session: Session, device: Designation): Promise<void> {
  try {
    await failAllIo(session, device);
  } catch (error) {
    if (!(error instanceof DmsetupFailure)) throw error;
    // In user space a pool takes no other target. Whether it can go is said next.
    if ((await session.devices()).kind === "kernel") printError(`${error.message}\n`);
  }
}

/** Puts a table in force that fails all I/O, as long as the one before. @throws DmsetupFailure */
export async function failAllIo(session: Session, device: Designation): Promise<void> {
  const { line } = session;
  const table = await tableOf(session, device);
  const length = table.reduce((sectors, segment) => Math.max(sectors, segment.start + segment.length), 0);
  const failing = table.length === 0 ? [] : [{ start: 0, length, target: "error", parameters: "" }];
  await loadTable(session, device, failing, { readOnly: false });
  const suspension = { noFlush: line.has("noflush"), noLockFs: line.has("nolockfs") };
  await askOf(session, "suspend", device, (devices, name) => devices.suspend(name, suspension));
  await askOf(session, "resume", device, (devices, name) => devices.resume(name));
}
