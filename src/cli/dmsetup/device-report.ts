import { setTimeout as sleep } from "node:timers/promises";
import { printError, printText } from "../thin/output.ts";
import { readAheadOf, requireInfo } from "./describe-info.ts";
import { type Designation, designatedOrAll } from "./designate.ts";
import { type DeviceNumber, kernelName, sameNumber } from "./device-numbers.ts";
import { unmangle } from "./device-text.ts";
import { DmsetupFailure } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { fieldsHelp } from "./fields-help.ts";
import {
  fieldsNamed,
  type RelatedDevice,
  type ReportedDevice,
  type ReportField,
  usualFields,
} from "./report-fields.ts";
import { layOutReport, type ReportCell } from "./report-layout.ts";
import { reportStyle } from "./report-style.ts";
import { splitLvmName } from "./split-lvm-name.ts";

interface SortKey {
  readonly field: ReportField;
  readonly down: boolean;
}

/** `info -c`. @throws DmsetupFailure */
export async function printDeviceReport(session: Session): Promise<void> {
  const { line } = session;
  const options = line.value("options");
  if (options === "help" || options === "?") return printError(fieldsHelp());
  const fields = chosenFields(options);
  const keys = sortKeys(line.value("sort"));
  const times = line.has("count") || line.has("interval") ? (line.number("count") ?? 0) : 1;
  const pauseMilliseconds = (line.number("interval") ?? 1) * 1000;
  for (let done = 1; ; done++) {
    await printOnce(session, fields, keys);
    if (done === times) return;
    await sleep(pauseMilliseconds);
    printText("\n");
  }
}

interface Row {
  readonly cells: readonly ReportCell[];
  readonly order: readonly ReportCell[];
}

/** Prints what can be told, and fails then where something could not. */
async function printOnce(session: Session, fields: readonly ReportField[], keys: readonly SortKey[]): Promise<void> {
  const { devices } = await designatedOrAll(session);
  if (devices.length === 0) return printText("No devices found\n");
  const report = await reporter(session, [...fields, ...keys.map(({ field }) => field)]);
  let failure: DmsetupFailure | undefined;
  const rows: Row[] = [];
  for (const device of devices) {
    try {
      const told = await report(device);
      rows.push({ cells: fields.map((field) => field.value(told)), order: keys.map(({ field }) => field.value(told)) });
    } catch (error) {
      if (!(error instanceof DmsetupFailure)) throw error;
      failure = error;
      if (!(error instanceof FieldFailure)) break;
      printError(`${error.message}\n`);
    }
  }
  const sorted = rows.sort((one, other) => compare(one.order, other.order, keys)).map(({ cells }) => cells);
  if (rows.length > 0) printText(layOutReport(fields, sorted, reportStyle(session.line)));
  if (failure !== undefined) throw failure instanceof FieldFailure ? new DmsetupFailure("") : failure;
}

/** A field of a device that cannot be told: others can. */
class FieldFailure extends DmsetupFailure {}

function compare(one: readonly ReportCell[], other: readonly ReportCell[], keys: readonly SortKey[]): number {
  for (const [index, { down }] of keys.entries()) {
    const [a, b] = [one[index], other[index]];
    if (a !== b) return a < b !== down ? -1 : 1;
  }
  return 0;
}

function chosenFields(options: string | undefined): ReportField[] {
  if (options === undefined) return usualFields.flatMap((name) => fieldsNamed(name) ?? []);
  const names = options.startsWith("+") ? [...usualFields, ...options.slice(1).split(",")] : options.split(",");
  return names
    .filter((name) => name !== "")
    .flatMap((name) => {
      const fields = fieldsNamed(name);
      if (fields === undefined) throw unknownField("Unrecognised field", name);
      return fields;
    });
}

function sortKeys(sort: string | undefined): SortKey[] {
  return (sort ?? "")
    .split(",")
    .filter((key) => key !== "")
    .map((key) => {
      const name = key.replace(/^[+-]/, "");
      const field = fieldsNamed(name)?.at(0);
      if (field === undefined) throw unknownField("dm_report: Unrecognised field", name);
      return { field, down: key.startsWith("-") };
    });
}

/** The original ends without another line in this case. */
function unknownField(what: string, name: string): DmsetupFailure {
  return new DmsetupFailure(`${fieldsHelp()}${what}: ${name.replace(/ .*/s, "")}`, { ending: "" });
}

/** Tells what fields may want of a device. */
async function reporter(
  session: Session,
  fields: readonly ReportField[],
): Promise<(device: Designation) => Promise<ReportedDevice>> {
  const relations = fields.some(({ wants }) => wants !== undefined) ? await relationsOf(session) : undefined;
  return async (device) => {
    const info = await requireInfo(session, device);
    const uuid = unmangle(info.uuid, session.mangling);
    return {
      info,
      name: unmangle(info.name, session.mangling),
      uuid,
      deps: relations?.depsOf(info.name) ?? [],
      users: relations?.usersOf(info) ?? [],
      readAhead: () => readAheadOf(session, info) ?? 0,
      kernelName: () => requireKernelName(info),
      lvmName: () => splitLvmName(info.name, uuid.startsWith("LVM-") ? "LVM" : ""),
    };
  };
}

/** What all devices stand on. */
async function relationsOf(session: Session): Promise<{
  depsOf: (name: string) => RelatedDevice[];
  usersOf: (device: DeviceNumber) => RelatedDevice[];
}> {
  const mapper = await session.devices();
  const present = await mapper.list();
  const related = ({ major, minor }: DeviceNumber): RelatedDevice => {
    const mapped = present.find((other) => sameNumber(other, { major, minor }))?.name;
    const name = mapped === undefined ? undefined : unmangle(mapped, session.mangling);
    return { major, minor, name, kernelName: kernelName({ major, minor }) };
  };
  const deps = new Map<string, DeviceNumber[]>();
  for (const { name } of present) deps.set(name, await mapper.deps(name));
  return {
    depsOf: (name) => (deps.get(name) ?? []).map(related),
    usersOf: (device) =>
      present.filter(({ name }) => deps.get(name)?.some((dep) => sameNumber(dep, device)) === true).map(related),
  };
}

function requireKernelName(device: DeviceNumber): string {
  const name = kernelName(device);
  if (name !== undefined) return name;
  throw new FieldFailure(
    `Could not resolve block device name for ${device.major}:${device.minor}.\n` +
      "_do_report_object: report function failed for field blkdevname",
  );
}
