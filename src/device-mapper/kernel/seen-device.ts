import type { DevmapperAnswer, DevmapperInfo } from "../../linux/libdevmapper-answer.ts";
import type { DeviceInfo } from "../device-mapper.ts";

/** A device as the kernel tells of it. */
export interface SeenDevice {
  info: DevmapperInfo;
  uuid: string;
  /** The first target, whose line is its table's or its status'; undefined while no table is in force. */
  target: { type: string; line: string } | undefined;
}

/** A thin pool or thin device. */
export interface SeenThinDevice extends SeenDevice {
  target: { type: "thin" | "thin-pool"; line: string };
}

/** What a table or status task answered. */
export function seenDevice(answer: DevmapperAnswer): SeenDevice {
  const target = answer.targets().at(0);
  const line = [target?.start, target?.sectors, target?.type, target?.parameters.trim()].join(" ");
  return {
    info: answer.info(),
    uuid: answer.uuid(),
    target: target === undefined ? undefined : { type: target.type, line },
  };
}

export function isThin(device: SeenDevice): device is SeenThinDevice {
  return device.target?.type === "thin" || device.target?.type === "thin-pool";
}

/** Where a device can be opened. */
export function nodePath(name: string): string {
  return `/dev/mapper/${name}`;
}

export function deviceInfo(name: string, { info, uuid, target }: SeenThinDevice): DeviceInfo {
  return {
    name,
    target: target.type,
    blockDevice: nodePath(name),
    open: info.openCount > 0,
    openCount: info.openCount,
    suspended: info.suspended,
    deferredRemove: info.deferredRemove,
    eventNumber: info.eventNumber,
    major: info.major,
    minor: info.minor,
    uuid: uuid === "" ? undefined : uuid,
    tableLine: target.line,
  };
}
