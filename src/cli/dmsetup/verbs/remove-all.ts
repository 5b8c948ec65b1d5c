import type { MappedDevices } from "../../../device-mapper/mapped-devices.ts";
import { errorCode } from "../../../linux/system-error.ts";
import { printError } from "../../thin/output.ts";
import { allDevices, named } from "../designate.ts";
import type { Session } from "../dmsetup-verb.ts";
import { tryToFailAllIo } from "../error-table.ts";
import { ask } from "../ioctl-failure.ts";

/** `dmsetup remove_all`. What is in use stays; with `--force` it first loses its I/O, and with that perhaps its users. */
export async function run(session: Session): Promise<void> {
  await removeAll(session);
  if (!session.line.has("force")) return;
  for (const { name } of await allDevices(session)) await tryToFailAllIo(session, named(name));
  await removeAll(session);
  const left = (await allDevices(session)).length;
  if (left > 0) printError(`Unable to remove ${left} device(s).\n`);
}

async function removeAll(session: Session): Promise<void> {
  const devices = await session.devices();
  const deferred = session.line.has("deferred");
  await ask("remove_all", " ", () => removeUnused(devices, { deferred }));
  await ask("mknodes", " ", () => devices.makeNodes());
}

/** Again and again, as one that is gone no longer uses those that it stood on. */
async function removeUnused(devices: MappedDevices, options: { deferred: boolean }): Promise<void> {
  for (let before = Infinity; ;) {
    const present = await devices.list();
    if (present.length === 0 || present.length >= before) return;
    before = present.length;
    for (const { name } of present) {
      try {
        await devices.remove(name, options);
      } catch (error) {
        const code = errorCode(error);
        if (code !== "EBUSY" && code !== "ENXIO") throw error;
      }
    }
  }
}
