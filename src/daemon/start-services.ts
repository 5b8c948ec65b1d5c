import type { Service, ServiceParts } from "../service/service.ts";
import type { DaemonOptions } from "./daemon-options.ts";

/** Starts a service; loaded only where it is wanted. */
type Start = (parts: ServiceParts) => Promise<Service>;

/**
 * Starts the services that have a socket.
 *
 * @throws what a service threw; then none is left running
 */
export async function startServices(parts: ServiceParts, options: DaemonOptions): Promise<Service[]> {
  const services: Service[] = [];
  try {
    for (const start of wanted(options)) {
      const service = await start(parts);
      services.push(service);
      parts.log.info({ service: service.name, socket: service.socket }, "service started");
    }
    return services;
  } catch (error) {
    await Promise.allSettled(services.map((service) => service.close()));
    throw error;
  }
}

function wanted({ sockets, snapshotter }: DaemonOptions): Start[] {
  const { dockerPlugin, containerd, api } = sockets;
  const starts: Start[] = [];
  if (dockerPlugin !== undefined) {
    starts.push(async (parts) => {
      const { serveDockerPlugin } = await import("../docker-plugin/docker-plugin.ts");
      return serveDockerPlugin(parts, { socket: dockerPlugin });
    });
  }
  if (containerd !== undefined) {
    starts.push(async (parts) => {
      const { serveSnapshotter } = await import("../containerd/snapshotter-service.ts");
      return serveSnapshotter(parts, { socket: containerd, ...snapshotter });
    });
  }
  if (api !== undefined) {
    starts.push(async (parts) => {
      const { serveApi } = await import("../api/api-service.ts");
      return serveApi(parts, { socket: api });
    });
  }
  return starts;
}
