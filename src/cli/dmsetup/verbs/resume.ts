import { askOf, forEachDevice } from "../designate.ts";
import { printInfoIfVerbose } from "../describe-info.ts";
import type { Session } from "../dmsetup-verb.ts";
import { setNode } from "../node-wishes.ts";

/** `dmsetup resume` */
export async function run(session: Session): Promise<void> {
  await forEachDevice(session, async (device) => {
    await askOf(session, "resume", device, (devices, name) => devices.resume(name));
    await setNode(session, device);
    await printInfoIfVerbose(session, device);
  });
}
