import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { ListedDevice } from "../../../device-mapper/mapped-devices.ts";
import { printText } from "../../thin/output.ts";
import { allDevices, askOf, named } from "../designate.ts";
import { DeviceNames } from "../device-names.ts";
import { unmangle } from "../device-text.ts";
import { DmsetupFailure } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";
import { printTree } from "../device-tree.ts";

/** `dmsetup ls` */
export async function run(session: Session): Promise<void> {
  const { line } = session;
  if (line.has("tree")) return printTree(session);
  const target = line.value("target");
  const command = line.value("exec");
  const names = new DeviceNames(session);
  const devices = await allDevices(session);
  if (devices.length === 0) printText("No devices found\n");
  for (const device of devices) {
    if (target !== undefined && !(await hasTarget(session, device, target))) continue;
    if (command !== undefined) execute(command, join(session.deviceDir, "mapper", device.name));
    else {
      const numbers = [device.major, device.minor];
      const place = target === undefined ? await names.nameOf(device, numbers.join(":")) : numbers.join(", ");
      printText(`${unmangle(device.name, session.mangling)}\t(${place})\n`);
    }
  }
}

async function hasTarget(session: Session, { name }: ListedDevice, target: string): Promise<boolean> {
  const table = await askOf(session, "table", named(name), (devices) => devices.table(name));
  return table.some((segment) => segment.target === target);
}

function execute(command: string, node: string): void {
  const [program, ...words] = command.split(/\s+/).filter((word) => word !== "");
  const { error, status } = spawnSync(program, [...words, node], { stdio: "inherit" });
  if (error !== undefined) throw new DmsetupFailure(`Cannot run '${command}': ${error.message}`);
  if (status !== 0) throw new DmsetupFailure("");
}
