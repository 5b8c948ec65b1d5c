import { askOf, checkedName, designate, isDesignatedByOption } from "../designate.ts";
import { DmsetupFailure } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";
import { mangle } from "../device-text.ts";

/** `dmsetup rename` */
export async function run(session: Session): Promise<void> {
  const { line, operands } = session;
  const byOption = operands.length === 1 && isDesignatedByOption(session);
  const [word, newText] = byOption ? [undefined, operands[0]] : [operands[0], operands.at(1)];
  if (newText === undefined) throw new DmsetupFailure("No device specified.");
  if (newText === "") throw new DmsetupFailure("Non empty new name is required.");
  const newName = line.has("setuuid") ? undefined : checkedName(newText, session);
  const device = await designate(session, word);
  await askOf(session, "rename", device, (devices, name) =>
    newName === undefined ? devices.setUuid(name, mangle(newText, session.mangling)) : devices.rename(name, newName),
  );
}
