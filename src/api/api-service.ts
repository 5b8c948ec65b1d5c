import Fastify from "fastify";
import { placePrivateSocket } from "../linux/private-socket.ts";
import type { Service, ServiceParts } from "../service/service.ts";

/** Serves Mica's own API. */
export async function serveApi({ log }: ServiceParts, { socket }: { socket: string }): Promise<Service> {
  const server = Fastify({ loggerInstance: log.child({ service: "api" }), disableRequestLogging: true });
  const placed = await placePrivateSocket(socket, async (path) => {
    await server.listen({ path });
  });
  return {
    name: "api",
    socket,
    async close() {
      placed.remove();
      await server.close();
    },
  };
}
