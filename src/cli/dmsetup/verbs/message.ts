import { readFileSync } from "node:fs";
import { DeviceMapperError } from "../../../device-mapper/device-mapper-error.ts";
import { printError, printText } from "../../thin/output.ts";
import { askOf, type Designation, designate, isDesignatedByOption } from "../designate.ts";
import { DmsetupFailure, WrongUsage } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";
import { ioctlFailure } from "../ioctl-failure.ts";

const standardInput = 0;

/** `dmsetup message` */
export async function run(session: Session): Promise<void> {
  const { line, operands } = session;
  const byOption = isDesignatedByOption(session);
  const [word, sectorText = "", ...words] = byOption ? [undefined, ...operands] : operands;
  const device = await designate(session, word);
  const sector = /^\d{1,16}$/.test(sectorText) ? Number(sectorText) : NaN;
  if (!Number.isSafeInteger(sector)) throw new DmsetupFailure("Invalid sector.");
  const batch = line.value("batch");
  if (batch !== undefined) {
    if (words.length > 0) throw new WrongUsage("Incorrect number of arguments.");
    return sendBatch(session, device, { sector, messages: messagesIn(batch) });
  }
  if (words.length === 0) printError("No message supplied.\n");
  const message = words.join(" ");
  const answer = await askOf(session, "message", device, (devices, name) => devices.message(name, sector, message));
  if (answer !== "") printText(answer.endsWith("\n") ? answer : `${answer}\n`);
}

/** Messages of a file, a line each; lines that are empty or begin with # are none. */
function messagesIn(file: string): string[] {
  let text;
  try {
    text = readFileSync(file === "-" ? standardInput : file, "utf8");
  } catch {
    throw new DmsetupFailure(`Couldn't open '${file}' for reading.`);
  }
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

async function sendBatch(
  session: Session,
  { name, subject }: Designation,
  { sector, messages }: { sector: number; messages: string[] },
): Promise<void> {
  if (name === undefined) throw ioctlFailure("message", subject, "ENXIO");
  try {
    await (await session.devices()).messages(name, sector, messages);
  } catch (error) {
    if (!(error instanceof DeviceMapperError)) throw error;
    const failure = ioctlFailure("message", subject, error.code, error.message);
    if (error.done === undefined) throw failure;
    const which = `${error.done} of ${messages.length} messages are carried out; the next is '${messages.at(error.done) ?? ""}'.`;
    throw new DmsetupFailure(`${failure.message}\n${which}`, { reason: error.message });
  }
}
