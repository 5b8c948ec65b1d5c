import { printText } from "../../thin/output.ts";
import { designatedOrAll } from "../designate.ts";
import { printInfo, requireInfo } from "../describe-info.ts";
import { badLine } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";

/** `dmsetup info` */
export async function run(session: Session): Promise<void> {
  const { line } = session;
  if (line.has("columns")) return (await import("../device-report.ts")).printDeviceReport(session);
  const options = line.value("options");
  if (options !== undefined) throw badLine(`Option not recognised: ${options}.`);
  const { devices } = await designatedOrAll(session);
  if (devices.length === 0) printText("No devices found\n");
  for (const device of devices) printInfo(session, await requireInfo(session, device));
}
