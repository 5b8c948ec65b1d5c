import { packageVersion } from "../linux/package-root.ts";
import { placePrivateSocket } from "../linux/private-socket.ts";
import type { Service, ServiceParts } from "../service/service.ts";
import { apiServer } from "./api-server.ts";
import { apiRoutes } from "./routes/api-routes.ts";
import { CallsUnderWay } from "./under-way.ts";

/** Where and how the API answers. */
export interface ApiOptions {
  /** Absolute path. */
  socket: string;
  /** How long the sender of a request, or the reader of a tar, may be silent. Default 5 minutes. */
  idleMs?: number;
}

const idleMsDefault = 5 * 60_000;
/** How long calls may take to end when the service does, and then again to undo what they did. */
const closingMs = 12_000;

/**
 * Serves Mica's own API, which `mica` commands and other programs use: HTTP and JSON over a private socket (docs/api.md).
 *
 * @throws Error when the socket cannot be had
 */
export async function serveApi(
  { devices, store, log }: ServiceParts,
  { socket, idleMs = idleMsDefault }: ApiOptions,
): Promise<Service> {
  const calls = new CallsUnderWay();
  const parts = { graph: { devices, store }, log: log.child({ service: "api" }), calls, idleMs };
  const server = apiServer(apiRoutes(packageVersion(), calls), parts);
  const placed = await placePrivateSocket(socket, async (path) => {
    await server.listen({ path });
  });
  return {
    name: "api",
    socket,
    async close() {
      placed.remove();
      server.server.close();
      await calls.end(closingMs);
      server.server.closeAllConnections();
      await server.close();
    },
  };
}
