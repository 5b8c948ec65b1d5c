import type { MappedDevices } from "../../../device-mapper/mapped-devices.ts";
import { errorCode } from "../../../linux/system-error.ts";
import { printError } from "../../thin/output.ts";
import { allDevices, named } from "../designate.ts";
import type { Session } from "../dmsetup-verb.ts";
import { failAllIo } from "../error-table.ts";
import { ask } from "../ioctl-failure.ts";

/** `dmsetup remove_all`. What is in use stays. */
export async function run(session: Session): Promise<void> {
  const { line } = session;
  const devices = await session.devices();
  if (line.has("force")) {
    for (const { name } of await allDevices(session)) {
      // One that has no table has none to be replaced.
      if ((await devices.table(name)).length > 0) await failAllIo(session, named(name));
    }
  }
  await ask("remove_all", " ", () => removeUnused(devices, { deferred: line.has("deferred") }));
  await ask("mknodes", " ", () => devices.makeNodes());
  const left = (await allDevices(session)).length;
  if (line.has("force") && left > 0) printError(`Unable to remove ${left} device(s).\n`);
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
