import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { ListedDevice, MappedDevices } from "../../device-mapper/mapped-devices.ts";
import { numberAt, sameNumber } from "./device-numbers.ts";
import { mangle, nameFault } from "./device-text.ts";
import { badLine, DmsetupFailure } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { ask, ioctlFailure } from "./ioctl-failure.ts";

/** A device as the line names it. */
export interface Designation {
  /** As the device mapper knows it; undefined where there is no device of that uuid or number. */
  readonly name: string | undefined;
  /** What libdevmapper's errors call it: name, a space, uuid and number, as far as they were given. */
  readonly subject: string;
}

/** What errors call a device that was named by its name. */
export function named(name: string): Designation & { readonly name: string } {
  return { name, subject: `${name} ` };
}

/** The number of -j and -m. @throws DmsetupFailure when there is only one of them, or it is no number */
export function numberOnLine({ line }: Session): { major: number; minor: number } | undefined {
  const [major, minor] = [line.number("major"), line.number("minor")];
  if (major === undefined && minor === undefined) return undefined;
  if (major === undefined || minor === undefined) throw badLine("Please specify both major number and minor number.");
  return { major, minor };
}

/** Whether the line names a device by its uuid or number. */
export function isDesignatedByOption(session: Session): boolean {
  return session.line.has("uuid") || numberOnLine(session) !== undefined;
}

/**
 * Finds the device that is meant: by name, or path, or else by --uuid, or --major and --minor.
 *
 * @throws DmsetupFailure where the line names none, or a path leads to none
 */
export async function designate(session: Session, word: string | undefined): Promise<Designation> {
  if (word !== undefined) return named(await nameOf(session, word));
  const uuid = session.line.value("uuid");
  if (uuid !== undefined) {
    return { name: await nameOfUuid(await session.devices(), mangle(uuid, session.mangling)), subject: ` ${uuid}` };
  }
  const number = numberOnLine(session);
  if (number === undefined) throw new DmsetupFailure("No device specified.");
  const found = (await (await session.devices()).list()).find((device) => sameNumber(device, number));
  return { name: found?.name, subject: ` (${number.major}:${number.minor})` };
}

/** Asks the device mapper for something of a device. @throws DmsetupFailure in libdevmapper's words */
export async function askOf<T>(
  session: Session,
  ioctl: string,
  { name, subject }: Designation,
  call: (devices: MappedDevices, name: string) => Promise<T>,
): Promise<T> {
  if (name === undefined) throw ioctlFailure(ioctl, subject, "ENXIO");
  const devices = await session.devices();
  return ask(ioctl, subject, () => call(devices, name));
}

/** Carries something out for each device that the line names, in order, up to the first that fails. */
export async function forEachDevice(
  session: Session,
  action: (device: Designation) => Promise<void> | void,
): Promise<void> {
  for (const word of session.operands.length === 0 ? [undefined] : session.operands) {
    await action(await designate(session, word));
  }
}

/** The devices that the line names; all where it names none. */
export async function designatedOrAll(session: Session): Promise<{ all: boolean; devices: Designation[] }> {
  if (session.operands.length === 0 && !isDesignatedByOption(session)) {
    return { all: true, devices: (await allDevices(session)).map(({ name }) => named(name)) };
  }
  const devices: Designation[] = [];
  await forEachDevice(session, (device) => {
    devices.push(device);
  });
  return { all: false, devices };
}

/** All devices, in the device mapper's order. */
export async function allDevices(session: Session): Promise<ListedDevice[]> {
  const devices = await session.devices();
  return ask("list", " ", () => devices.list());
}

async function nameOf(session: Session, word: string): Promise<string> {
  if (!word.includes("/")) return checkedName(word, session);
  const inFolder = join(session.deviceDir, "mapper", "/");
  const rest = word.slice(inFolder.length);
  if (word.startsWith(inFolder) && !rest.includes("/") && existsSync(word)) return checkedName(rest, session);
  const number = numberAt(word);
  if (number === undefined) throw new DmsetupFailure(`Device ${word} not found`);
  const found = (await (await session.devices()).list()).find((device) => sameNumber(device, number));
  if (found === undefined) throw new DmsetupFailure(`Device ${basename(word)} not found`);
  return found.name;
}

/** A name as the device mapper is given it. @throws DmsetupFailure where it cannot be one */
export function checkedName(word: string, { mangling }: Session): string {
  const name = mangle(word, mangling);
  const fault = nameFault(word) ?? nameFault(name);
  if (fault !== undefined) throw new DmsetupFailure(fault);
  return name;
}

async function nameOfUuid(devices: MappedDevices, uuid: string): Promise<string | undefined> {
  for (const { name } of await devices.list()) if ((await devices.info(name))?.uuid === uuid) return name;
  return undefined;
}
