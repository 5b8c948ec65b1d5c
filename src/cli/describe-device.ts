import type { ListedDevice } from "./device-index.ts";
import { shortId } from "./short-id.ts";

/** A device in a few words, such as "container web" or "layer 3f0c2ab91e77 (app:latest)". */
export function describeDevice(device: ListedDevice): string {
  if (device.kind === "base") return "base";
  if (device.kind === "snapshot") return `snapshot ${device.names.join(", ")}`;
  if (device.kind === "container") return `container ${device.names[0] ?? shortId(device.id)}`;
  const names = device.names.length > 0 ? ` (${device.names.join(", ")})` : "";
  return `${device.kind} ${shortId(device.id)}${names}`;
}
