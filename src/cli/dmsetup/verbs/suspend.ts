import { askOf, forEachDevice } from "../designate.ts";
import { printInfoIfVerbose } from "../describe-info.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup suspend` */
export async function run(session: Session): Promise<void> {
  const options = { noFlush: session.line.has("noflush"), noLockFs: session.line.has("nolockfs") };
  await forEachDevice(session, async (device) => {
    await askOf(session, "suspend", device, (devices, name) => devices.suspend(name, options));
    await printInfoIfVerbose(session, device);
  });
}
