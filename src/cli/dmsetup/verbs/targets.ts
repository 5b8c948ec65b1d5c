import { printText } from "../../thin/output.ts";
import type { Session } from "../dmsetup-verb.ts";
import { ask } from "../ioctl-failure.ts";
import { targetLine } from "../target-line.ts";

/** `dmsetup targets` */
export async function run(session: Session): Promise<void> {
  const devices = await session.devices();
  const targets = await ask("list_versions", " ", () => devices.targets());
  printText(targets.map(targetLine).join(""));
}
