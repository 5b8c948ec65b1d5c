import { printText } from "../../thin/output.ts";
import type { Session } from "../dmsetup-verb.ts";
import { ask, ioctlFailure } from "../ioctl-failure.ts";
import { targetLine } from "../target-line.ts";

/** `dmsetup target-version` */
export async function run(session: Session): Promise<void> {
  const devices = await session.devices();
  const targets = await ask("list_versions", " ", () => devices.targets());
  for (const name of session.operands) {
    const target = targets.find((known) => known.name === name);
    if (target === undefined) throw ioctlFailure("target-version", `${name} `, "EINVAL");
    printText(targetLine(target));
  }
}
