import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { lockFileSync, type FileLock } from "../linux/flock.ts";
import { placePrivateSocket } from "../linux/private-socket.ts";
import { errorCode } from "../linux/system-error.ts";
import type { Service, ServiceParts } from "../service/service.ts";
import { CallsUnderWay } from "./calls-under-way.ts";
import { DockerMounts } from "./docker-mounts.ts";
import { KnownLayers } from "./known-layers.ts";
import { LayerDevices } from "./layer-devices.ts";
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
  const claim = claimGraph(devices.root, join(folder, "lock"));
  try {
    return await serve({ devices, log }, { socket, idleMs }, { folder, claim });
  } catch (error) {
    claim.release();
    throw error;
  }
}

async function serve(
  { devices, log }: Pick<ServiceParts, "devices" | "log">,
  { socket, idleMs }: Required<DockerPluginOptions>,
  { folder, claim }: { folder: string; claim: FileLock },
): Promise<Service> {
  const mounts = await DockerMounts.open(devices, folder);
  const marks = { underWay: new CallsUnderWay(folder), known: new KnownLayers(folder) };
  const layers = await LayerDevices.open({ devices, mounts, ...marks, log });
  const server = pluginServer({ devices, log, mounts, layers, session: new Session(folder) }, { idleMs });
  const placed = await placePrivateSocket(socket, async (path) => {
    await server.listen(path);
  });
  let closing: Promise<void> | undefined;
  return {
    name: "docker-plugin",
    socket,
    close() {
      closing ??= (async () => {
        placed.remove();
        await server.close();
        claim.release();
      })();
      return closing;
    },
  };
}

/** Another one would count other mounts, and undo what this one is doing. */
function claimGraph(root: string, path: string): FileLock {
  try {
    return lockFileSync(path);
  } catch (error) {
    if (errorCode(error) !== "EAGAIN") throw error;
    throw new Error(
      `Cannot serve Docker from the graph '${root}': another process does. Stop it, or use another graph`,
      {
        cause: error,
      },
    );
  }
}
