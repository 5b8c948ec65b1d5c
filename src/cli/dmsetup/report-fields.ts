import type { MappedDeviceInfo } from "../../device-mapper/mapped-devices.ts";
import type { DeviceNumber } from "./device-numbers.ts";
import type { ReportCell, ReportColumn } from "./report-layout.ts";

/** What fields are made from. */
export interface ReportedDevice {
  readonly info: MappedDeviceInfo;
  /** As they are to be shown. */
  readonly name: string;
  readonly uuid: string;
  /** What the device stands on, and what stands on it, where a field wants that. */
  readonly deps: readonly RelatedDevice[];
  readonly users: readonly RelatedDevice[];
  /** In sectors; asked for when it is wanted. */
  readAhead(): number;
  /** "dm-0", "loop3". @throws DmsetupFailure where the device has none */
  kernelName(): string;
  lvmName(): { group: string; volume: string; layer: string };
}

/** A device that another stands on, or that stands on another. */
export interface RelatedDevice extends DeviceNumber {
  /** Of a mapped device. */
  readonly name: string | undefined;
  readonly kernelName: string | undefined;
}

/** A field of `info -c`. */
export interface ReportField extends ReportColumn {
  readonly group: "name" | "info" | "deps" | "splitname";
  readonly help: string;
  /** It tells of other devices too, which are looked at only for such fields. */
  readonly wants?: "deps" | "users";
  value(device: ReportedDevice): ReportCell;
}

const numbers = ({ major, minor }: DeviceNumber): string => `${major}:${minor}`;
const list = (texts: (string | undefined)[]): string => texts.filter((text) => text !== undefined).join(",");

/** All fields, as `help -c` lists them. */
export const reportFields: readonly ReportField[] = [
  { key: "name", heading: "Name", width: 16, group: "name", help: "Name.", value: ({ name }) => name },
  {
    key: "mangled_name",
    heading: "MangledName",
    width: 16,
    group: "name",
    help: "Name as the device mapper has it.",
    value: ({ info }) => info.name,
  },
  {
    key: "unmangled_name",
    heading: "UnmangledName",
    width: 16,
    group: "name",
    help: "Name without escapes.",
    value: ({ name }) => name,
  },
  { key: "uuid", heading: "UUID", width: 32, group: "name", help: "Uuid, if it has one.", value: ({ uuid }) => uuid },
  {
    key: "mangled_uuid",
    heading: "MangledUUID",
    width: 32,
    group: "name",
    help: "Uuid as the device mapper has it.",
    value: ({ info }) => info.uuid,
  },
  {
    key: "unmangled_uuid",
    heading: "UnmangledUUID",
    width: 32,
    group: "name",
    help: "Uuid without escapes.",
    value: ({ uuid }) => uuid,
  },
  {
    key: "read_ahead",
    heading: "RAhead",
    width: 6,
    group: "name",
    help: "How far it reads ahead, in sectors.",
    value: (device) => device.readAhead(),
  },
  {
    key: "blkdevname",
    heading: "BlkDevName",
    width: 16,
    group: "info",
    help: "What the kernel calls the block device.",
    value: (device) => device.kernelName(),
  },
  {
    key: "attr",
    heading: "Stat",
    width: 4,
    group: "info",
    help: "(L)ive table, (I)nactive table, (s)uspended, (r)ead-only or (w)riteable.",
    value: ({ info }) =>
      [
        info.liveTable ? "L" : "-",
        info.inactiveTable ? "I" : "-",
        info.suspended ? "s" : "-",
        info.readOnly ? "r" : "w",
      ].join(""),
  },
  {
    key: "tables_loaded",
    heading: "Tables",
    width: 6,
    group: "info",
    help: "Which of its tables there are.",
    value: ({ info }) => {
      if (info.liveTable) return info.inactiveTable ? "Both" : "Live";
      return info.inactiveTable ? "Inactive" : "None";
    },
  },
  {
    key: "suspended",
    heading: "Suspended",
    width: 9,
    group: "info",
    help: "Whether it is suspended.",
    value: ({ info }) => (info.suspended ? "Suspended" : "Active"),
  },
  {
    key: "readonly",
    heading: "Read-only",
    width: 9,
    group: "info",
    help: "Whether it can be written to.",
    value: ({ info }) => (info.readOnly ? "Read-only" : "Writeable"),
  },
  {
    key: "devno",
    heading: "DevNo",
    width: 5,
    group: "info",
    help: "Its number.",
    value: ({ info }) => numbers(info),
  },
  { key: "major", heading: "Maj", width: 3, group: "info", help: "Major number.", value: ({ info }) => info.major },
  { key: "minor", heading: "Min", width: 3, group: "info", help: "Minor number.", value: ({ info }) => info.minor },
  {
    key: "open",
    heading: "Open",
    width: 4,
    group: "info",
    help: "How often it is open.",
    value: ({ info }) => info.openCount,
  },
  {
    key: "segments",
    heading: "Targ",
    width: 4,
    group: "info",
    help: "Lines of the table in force.",
    value: ({ info }) => info.targetCount,
  },
  {
    key: "events",
    heading: "Event",
    width: 6,
    group: "info",
    help: "Number of the last event.",
    value: ({ info }) => info.eventNumber,
  },
  {
    key: "device_count",
    heading: "#Devs",
    width: 5,
    group: "deps",
    help: "How many devices it stands on.",
    wants: "deps",
    value: ({ deps }) => deps.length,
  },
  {
    key: "devs_used",
    heading: "DevNamesUsed",
    width: 16,
    group: "deps",
    help: "Mapped devices that it stands on.",
    wants: "deps",
    value: ({ deps }) => list(deps.map(({ name }) => name)),
  },
  {
    key: "devnos_used",
    heading: "DevNosUsed",
    width: 16,
    group: "deps",
    help: "Numbers of the devices that it stands on.",
    wants: "deps",
    value: ({ deps }) => list(deps.map(numbers)),
  },
  {
    key: "blkdevs_used",
    heading: "BlkDevNamesUsed",
    width: 16,
    group: "deps",
    help: "What the kernel calls the devices that it stands on.",
    wants: "deps",
    value: ({ deps }) => list(deps.map(({ kernelName }) => kernelName)),
  },
  {
    key: "device_ref_count",
    heading: "#Refs",
    width: 5,
    group: "deps",
    help: "How many mapped devices stand on it.",
    wants: "users",
    value: ({ users }) => users.length,
  },
  {
    key: "names_using_dev",
    heading: "RefNames",
    width: 8,
    group: "deps",
    help: "Mapped devices that stand on it.",
    wants: "users",
    value: ({ users }) => list(users.map(({ name }) => name)),
  },
  {
    key: "devnos_using_dev",
    heading: "RefDevNos",
    width: 9,
    group: "deps",
    help: "Their numbers.",
    wants: "users",
    value: ({ users }) => list(users.map(numbers)),
  },
  {
    key: "subsystem",
    heading: "Subsys",
    width: 6,
    group: "splitname",
    help: "Whose device it is, by its uuid: what stands before the first hyphen.",
    value: ({ uuid }) => (uuid.includes("-") ? uuid.slice(0, uuid.indexOf("-")) : ""),
  },
  {
    key: "vg_name",
    heading: "VG",
    width: 4,
    group: "splitname",
    help: "LVM's volume group.",
    value: (device) => device.lvmName().group,
  },
  {
    key: "lv_name",
    heading: "LV",
    width: 4,
    group: "splitname",
    help: "LVM's logical volume.",
    value: (device) => device.lvmName().volume,
  },
  {
    key: "lv_layer",
    heading: "LVLayer",
    width: 7,
    group: "splitname",
    help: "LVM's layer.",
    value: (device) => device.lvmName().layer,
  },
];

/** What `info -c` prints when nobody says otherwise. */
export const usualFields: readonly string[] = ["name", "major", "minor", "attr", "open", "segments", "events", "uuid"];

/** Fields that no other device has to be looked at for: what deps_all stands for. */
const cheap = ({ group, wants }: ReportField): boolean => group !== "deps" || wants === "deps";

/**
 * The fields that a name stands for: one, or a group ("info_all", "all").
 *
 * @returns undefined for a name that is none; case and underscores do not matter
 */
export function fieldsNamed(name: string): readonly ReportField[] | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll("_", "");
  const wanted = plain(name);
  const field = reportFields.find(({ key }) => plain(key) === wanted);
  if (field !== undefined) return [field];
  if (wanted === "all") return reportFields.filter(cheap);
  const group = reportFields.filter((each) => `${each.group}all` === wanted);
  return group.length === 0 ? undefined : group.filter((each) => cheap(each) && each.key !== "devs_used");
}
