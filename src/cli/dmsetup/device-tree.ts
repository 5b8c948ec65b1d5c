import type { MappedDeviceInfo } from "../../device-mapper/mapped-devices.ts";
import { printText } from "../thin/output.ts";
import { allDevices, askOf, named } from "./designate.ts";
import { type DeviceNumber, kernelName, sameNumber } from "./device-numbers.ts";
import { unmangle } from "./device-text.ts";
import { badLine } from "./dmsetup-failure.ts";
import type { Session } from "./dmsetup-verb.ts";
import { lineDrawings, treeLines, type TreeNode } from "./tree-lines.ts";

/** Which way -o of `ls --tree` turns what. `nodevice` alone turns something off. */
const options = ["device", "nodevice", "blkdevname", "active", "open", "rw", "uuid"] as const;
const looks = ["ascii", "utf", "vt100", "compact", "inverted", "notrunc"] as const;

/** `ls --tree`. @throws DmsetupFailure */
export async function printTree(session: Session): Promise<void> {
  const words = new Set((session.line.value("options") ?? "").split(",").filter((word) => word !== ""));
  const known: readonly string[] = [...options, ...looks];
  const unknown = [...words].find((word) => !known.includes(word));
  if (unknown !== undefined) throw badLine(`Tree options not recognised: ${unknown}.`);
  const devices = await allDevices(session);
  if (devices.length === 0) return printText("No devices found\n");
  const roots = await grow(session, words);
  const drawing = lineDrawings[drawingFor(words)];
  const lines = roots.flatMap((root) => treeLines(root, drawing, words.has("compact") ? "compact" : "one a line"));
  const columns = words.has("notrunc") ? undefined : (process.stdout.columns as number | undefined);
  printText(lines.map((line) => `${columns === undefined ? line : line.slice(0, columns)}\n`).join(""));
}

function drawingFor(words: ReadonlySet<string>): keyof typeof lineDrawings {
  for (const drawing of ["ascii", "utf", "vt100"] as const) if (words.has(drawing)) return drawing;
  const locale = process.env["LC_ALL"] ?? process.env["LC_CTYPE"] ?? process.env["LANG"] ?? "";
  return process.stdout.isTTY && /utf-?8/i.test(locale) ? "utf" : "ascii";
}

interface Place extends TreeNode {
  readonly number: DeviceNumber;
  readonly name: string | undefined;
  readonly children: Place[];
  /** Nothing is drawn above it. */
  root: boolean;
}

/** The tree's roots: devices on which none stands; inverted, those that stand on none. */
async function grow(session: Session, words: ReadonlySet<string>): Promise<Place[]> {
  const mapper = await session.devices();
  const inverted = words.has("inverted");
  const places: Place[] = [];
  const present = await mapper.list();
  const infos = new Map<string, MappedDeviceInfo>();
  for (const { name } of present) {
    const info = await mapper.info(name);
    if (info !== undefined) infos.set(name, info);
  }
  const place = (name: string | undefined, number: DeviceNumber): Place => {
    // By its name: several devices may have no number yet.
    const found = places.find((each) => (name === undefined ? sameNumber(each.number, number) : each.name === name));
    if (found !== undefined) return found;
    const label = describe(name, number, name === undefined ? undefined : infos.get(name));
    const added: Place = { label, number, name, children: [], root: true };
    places.push(added);
    return added;
  };
  const describe = (name: string | undefined, number: DeviceNumber, info: MappedDeviceInfo | undefined): string =>
    labelOf(name === undefined ? "" : unmangle(name, session.mangling), number, info, words);

  for (const { name, major, minor } of present) {
    const device = place(name, { major, minor });
    for (const dep of await askOf(session, "deps", named(name), (devices) => devices.deps(name))) {
      const below = place(present.find((other) => sameNumber(other, dep))?.name, dep);
      if (below.name === undefined && words.has("nodevice") && !words.has("blkdevname")) continue;
      const [upper, lower] = inverted ? [below, device] : [device, below];
      upper.children.push(lower);
      lower.root = false;
    }
  }
  return places.filter(({ root, label }) => root && label !== "");
}

function labelOf(
  name: string,
  number: DeviceNumber,
  info: MappedDeviceInfo | undefined,
  words: ReadonlySet<string>,
): string {
  const kernels = words.has("blkdevname") ? kernelName(number) : undefined;
  const details =
    info === undefined
      ? []
      : [
          ...(words.has("active") ? [info.suspended ? "SUSPENDED" : "ACTIVE"] : []),
          ...(words.has("rw") ? [info.readOnly ? "RO" : "RW"] : []),
          ...(words.has("open") ? [String(info.openCount)] : []),
          ...(words.has("uuid") ? [info.uuid] : []),
        ];
  return [
    name,
    ...(kernels === undefined ? [] : [` <${kernels}>`]),
    ...(words.has("nodevice") ? [] : [` (${number.major}:${number.minor})`]),
    ...(details.length === 0 ? [] : [` [${details.join(", ")}]`]),
  ].join("");
}
