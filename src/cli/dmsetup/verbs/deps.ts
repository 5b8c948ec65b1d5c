import { printText } from "../../thin/output.ts";
import { askOf, designatedOrAll } from "../designate.ts";
import { printInfo, requireInfo } from "../describe-info.ts";
import { DeviceNames } from "../device-names.ts";
import { unmangle } from "../device-text.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup deps` */
export async function run(session: Session): Promise<void> {
  const { line, mangling, operands } = session;
  const names = new DeviceNames(session);
  const slot = line.has("inactive") ? "inactive" : "live";
  const { all, devices } = await designatedOrAll(session);
  if (devices.length === 0) printText("No devices found\n");
  const several = all || operands.length > 1;
  for (const device of devices) {
    const deps = await askOf(session, "deps", device, (mapper, name) => mapper.deps(name, slot));
    const verbose = line.has("verbose");
    if (verbose) printInfo(session, await requireInfo(session, device));
    const prefix = several && !verbose ? `${unmangle(device.name ?? "", mangling)}: ` : "";
    const places = [];
    for (const dep of deps) places.push(` (${await names.nameOf(dep, `${dep.major}, ${dep.minor}`)})`);
    printText(`${prefix}${deps.length} dependencies\t:${places.join("")}\n${several && verbose ? "\n" : ""}`);
  }
}
