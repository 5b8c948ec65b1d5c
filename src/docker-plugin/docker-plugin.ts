import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { placePrivateSocket } from "../linux/private-socket.ts";
import type { Service, ServiceParts } from "../service/service.ts";
import { DockerMounts } from "./docker-mounts.ts";
import { pluginServer } from "./plugin-server.ts";
import { Session } from "./session.ts";

/** Where and how Docker's graph driver plugin answers. */
export interface DockerPluginOptions {
  /** Absolute path; dockerd looks for `/run/docker/plugins/NAME.sock`. */
  socket: string;
  /** How long the sender of a request, or the reader of a tar, may be silent. Default 5 minutes. */
  idleMs?: number;
}

const idleMsDefault = 5 * 60_000;

/**
 * Serves a graph to dockerd as a graph driver: `dockerd --experimental --storage-driver NAME`. One dockerd a graph.
 *
 * @throws Error when the socket cannot be had
 */
export async function serveDockerPlugin(
  { devices, log }: ServiceParts,
  { socket, idleMs = idleMsDefault }: DockerPluginOptions,
): Promise<Service> {
  const folder = join(devices.root, "docker-plugin");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mounts = await DockerMounts.open(devices, folder);
  const server = pluginServer({ devices, log, mounts, session: new Session(folder) }, { idleMs });
  const placed = await placePrivateSocket(socket, async (path) => {
    await server.listen(path);
  });
  return {
    name: "docker-plugin",
    socket,
    async close() {
      placed.remove();
      await server.close();
    },
  };
}
