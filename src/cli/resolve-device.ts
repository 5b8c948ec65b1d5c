import type { GraphAccess } from "../api/graph-access.ts";
import { listDevices } from "./device-index.ts";
import type { ListedDevice } from "./device-index.ts";

/**
 * Finds the thin device that somebody means: a container by name, `base`, an image by name (its top layer), or a
 * container, layer or device by ID or by the first characters of one.
 * @throws Error with code "not-found" or "ambiguous"
 */
export async function resolveDevice(graph: GraphAccess, wanted: string): Promise<ListedDevice> {
  const devices = await listDevices(graph);
  const attempts: ((device: ListedDevice) => boolean)[] = [
    (device) => device.device === wanted || device.id === wanted,
    (device) => device.kind === "container" && device.names.includes(wanted),
    (device) => device.names.includes(wanted) || device.names.includes(`${wanted}:latest`),
    (device) => bare(device.id).startsWith(bare(wanted)) || device.device.startsWith(wanted),
  ];
  for (const matches of attempts) {
    const found = devices.filter(matches);
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      throw failure(
        "ambiguous",
        `Cannot tell which device '${wanted}' is: ${found.length} match. Give more of the ID.`,
      );
    }
  }
  throw failure(
    "not-found",
    `Cannot find device '${wanted}': no container, image, layer or device has that name or ID. \`mica ls\` lists them.`,
  );
}

function bare(id: string): string {
  return id.replace(/^sha256:/, "");
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
