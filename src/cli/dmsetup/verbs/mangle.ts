import { printText } from "../../thin/output.ts";
import { designatedOrAll } from "../designate.ts";
import { mangle, unmangle } from "../device-text.ts";
import { DmsetupFailure } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup mangle`: tells that names are as they are to be. Others are not renamed. */
export async function run(session: Session): Promise<void> {
  const mapper = await session.devices();
  const { devices } = await designatedOrAll(session);
  for (const { name } of devices) {
    const info = name === undefined ? undefined : await mapper.info(name);
    if (info === undefined) throw new DmsetupFailure("");
    const right = [info.name, info.uuid].every((text) => mangle(unmangle(text, "auto"), "hex") === text);
    if (!right) throw new DmsetupFailure(`Cannot mangle ${info.name}: rename it to ${mangle(info.name, "auto")}.`);
    const [uuid, what] = info.uuid === "" ? ["[no UUID]", "name"] : [info.uuid, "name and UUID"];
    printText(`${info.name}: ${uuid}: ${what} already in correct form\n`);
  }
}
