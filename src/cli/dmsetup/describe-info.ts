import { join } from "node:path";
import { existsSync } from "node:fs";
import type { MappedDeviceInfo } from "../../device-mapper/mapped-devices.ts";
import { printError, printText } from "../thin/output.ts";
import { readAheadSectors } from "./device-numbers.ts";
import { unmangle } from "./device-text.ts";
import type { Designation } from "./designate.ts";
import { noSuchDevice } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { errorWords } from "./ioctl-failure.ts";

/** What is known of a device. @throws DmsetupFailure where there is none */
export async function requireInfo(session: Session, { name }: Designation): Promise<MappedDeviceInfo> {
  const info = name === undefined ? undefined : await (await session.devices()).info(name);
  if (info === undefined) throw noSuchDevice();
  return info;
}

/** Prints what is known of a device, in dmsetup's long form, and an empty line. */
export function printInfo(session: Session, info: MappedDeviceInfo): void {
  const tables = [info.liveTable ? "LIVE" : "", info.inactiveTable ? "INACTIVE" : ""].filter((slot) => slot !== "");
  const readAhead = readAheadOf(session, info);
  const lines = [
    `Name:              ${unmangle(info.name, session.mangling)}`,
    `State:             ${stateOf(info)}`,
    ...(readAhead === undefined ? [] : [`Read Ahead:        ${readAhead}`]),
    `Tables present:    ${tables.length === 0 ? "None" : tables.join(" & ")}`,
    `Open count:        ${info.openCount}`,
    `Event number:      ${info.eventNumber}`,
    `Major, minor:      ${info.major}, ${info.minor}`,
    `Number of targets: ${info.targetCount}`,
    ...(info.uuid === "" ? [] : [`UUID: ${unmangle(info.uuid, session.mangling)}`]),
    "",
  ];
  printText(lines.map((line) => `${line}\n`).join(""));
}

/** With -v: what is known of a device once a command is done with it. */
export async function printInfoIfVerbose(session: Session, device: Designation): Promise<void> {
  if (session.line.has("verbose")) printInfo(session, await requireInfo(session, device));
}

/** In sectors; undefined, and said why, where the device cannot be opened. */
export function readAheadOf(session: Session, info: MappedDeviceInfo): number | undefined {
  const sectors = readAheadSectors(info);
  if (sectors === undefined) {
    const node = join(session.deviceDir, "mapper", info.name);
    printError(`${node}: open failed: ${errorWords(existsSync(node) ? "ENXIO" : "ENOENT")}\n`);
  }
  return sectors;
}

function stateOf({ suspended, readOnly, deferredRemove }: MappedDeviceInfo): string {
  return [
    suspended ? "SUSPENDED" : "ACTIVE",
    ...(readOnly ? ["(READ-ONLY)"] : []),
    ...(deferredRemove ? ["(DEFERRED REMOVE)"] : []),
  ].join(" ");
}
