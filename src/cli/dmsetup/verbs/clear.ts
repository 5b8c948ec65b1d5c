import { askOf, forEachDevice } from "../designate.ts";
import { printInfoIfVerbose } from "../describe-info.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup clear` */
export async function run(session: Session): Promise<void> {
  await forEachDevice(session, async (device) => {
    await askOf(session, "clear", device, (devices, name) => devices.clear(name));
    await printInfoIfVerbose(session, device);
  });
}
