import type { TableSegment } from "../../../device-mapper/mapped-devices.ts";
import { concreteDevices, type ConciseDevice } from "../concise.ts";
import { askOf, checkedName, named, numberOnLine } from "../designate.ts";
import { printInfoIfVerbose } from "../describe-info.ts";
import { badLine, DmsetupFailure } from "../dmsetup-failure.ts";
import type { Session } from "../dmsetup-verb.ts";
import { mangle } from "../device-text.ts";
import { loadTable, tableOnLine } from "../load-table.ts";
import { setNode } from "../node-wishes.ts";

const longestUuid = 128;

/** `dmsetup create` */
export async function run(session: Session): Promise<void> {
  const { line, operands } = session;
  if (line.has("table") && line.has("notable")) throw badLine("--table and --notable are incompatible.");
  if (line.has("concise")) {
    for (const device of concreteDevices(session)) await createDevice(session, device);
    return;
  }
  const [word, file] = [operands.at(0), operands.at(1)];
  const number = numberOnLine(session);
  if (word === undefined) throw new DmsetupFailure("Please provide a name for the new device.");
  const table = line.has("notable") ? undefined : tableOnLine(session, file);
  await createDevice(session, {
    name: word,
    uuid: line.value("uuid") ?? "",
    minor: number?.minor,
    readOnly: line.has("readonly"),
    table,
  });
}

/** A device that is left without a table, as there was none, stays; one whose table is refused goes again. */
async function createDevice(session: Session, wanted: ConciseDevice): Promise<void> {
  const name = checkedName(wanted.name, session);
  const uuid = checkedUuid(wanted.uuid, session);
  const device = named(name);
  const { minor, readOnly, table } = wanted;
  const subject = await subjectOfNew(session, { name, uuid, minor });
  await askOf(session, "create", { name, subject }, (devices) =>
    devices.create(name, { ...(uuid === "" ? {} : { uuid }), ...(minor === undefined ? {} : { minor }) }),
  );
  if (table !== undefined && table.length > 0) await startDevice(session, name, { table, readOnly });
  await setNode(session, device);
  await printInfoIfVerbose(session, device);
}

async function startDevice(
  session: Session,
  name: string,
  { table, readOnly }: { table: readonly TableSegment[]; readOnly: boolean },
): Promise<void> {
  const devices = await session.devices();
  const info = await devices.info(name);
  const device = { name, subject: `${name} (${info?.major ?? 0}:${info?.minor ?? 0})` };
  try {
    await loadTable(session, device, table, { readOnly });
    await askOf(session, "resume", device, () => devices.resume(name));
  } catch (error) {
    await devices.remove(name);
    throw error;
  }
}

/** With a minor number libdevmapper's errors have the number too, whose major one is that of other devices. */
async function subjectOfNew(
  session: Session,
  { name, uuid, minor }: { name: string; uuid: string; minor: number | undefined },
): Promise<string> {
  if (minor === undefined) return `${name} ${uuid}`;
  const major = numberOnLine(session)?.major ?? (await (await session.devices()).list()).at(0)?.major ?? 0;
  return `${name} ${uuid}(${major}:${minor})`;
}

function checkedUuid(text: string, { mangling }: Session): string {
  const uuid = mangle(text, mangling);
  if (Buffer.byteLength(uuid) <= longestUuid) return uuid;
  throw new DmsetupFailure(`Mangled form of the UUID too long for "${text}".\nFailed to mangle device uuid "${text}".`);
}
