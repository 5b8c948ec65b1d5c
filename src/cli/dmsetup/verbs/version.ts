import { printText } from "../../thin/output.ts";
import type { Session } from "../dmsetup-verb.ts";
import { ask } from "../ioctl-failure.ts";

/** `dmsetup version` */
export async function run(session: Session): Promise<void> {
  const devices = await session.devices();
  const { library, driver } = await ask("version", " ", () => devices.version());
  printText(`Library version:   ${library}\nDriver version:    ${driver}\n`);
}
