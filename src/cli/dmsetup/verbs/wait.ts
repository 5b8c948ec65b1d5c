import { askOf, designate, isDesignatedByOption } from "../designate.ts";
import { printInfoIfVerbose } from "../describe-info.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup wait` */
export async function run(session: Session): Promise<void> {
  const { operands } = session;
  const byOption = operands.length < 2 && isDesignatedByOption(session);
  const [word, number = "0"] = byOption ? [undefined, operands.at(0)] : operands;
  const device = await designate(session, word);
  // What is no number counts as 0, as for strtoul(3).
  const before = Number(/^\s*(\d{1,15})/.exec(number)?.[1] ?? 0);
  await askOf(session, "waitevent", device, (devices, name) => devices.waitForEvent(name, before));
  await printInfoIfVerbose(session, device);
}
