import { Server, ServerCredentials } from "@grpc/grpc-js";
import { placePrivateSocket } from "../linux/private-socket.ts";
import type { Service, ServiceParts } from "../service/service.ts";
import { Snapshotter } from "./snapshotter.ts";
import { snapshotterSettings, type SnapshotterOptions } from "./snapshotter-options.ts";
import { snapshotsHandlers } from "./snapshots-handlers.ts";
import { snapshotsService } from "./snapshots-proto.ts";

/** A request is a few names and labels. */
const maximumRequestBytes = 4 * 2 ** 20;
/** Requests that one client has under way at once; more wait. */
const maximumStreams = 256;
/**
 * How long a client may be silent before it is asked for a sign of life, and how long it may take to answer. Node does not notice the end of a
 * connection that broke HTTP/2's rules: without this it would be kept for good.
 */
const keepalive = { "grpc.keepalive_time_ms": 10_000, "grpc.keepalive_timeout_ms": 20_000 };
/** How long requests under way may take to end when the service does. */
const closingMs = 20_000;

/**
 * Serves containerd's snapshots: the gRPC service `containerd.services.snapshots.v1.Snapshots`, for a `[proxy_plugins.mica]` of type "snapshot".
 *
 * @param options.socket absolute
 * @throws SnapshotterError while another process serves the same graph's snapshots; Error when the socket cannot be placed
 */
export async function serveSnapshotter(
  { devices, log }: Pick<ServiceParts, "devices" | "log">,
  { socket, ...options }: { socket: string } & SnapshotterOptions,
): Promise<Service> {
  const serviceLog = log.child({ service: "containerd" });
  const snapshotter = await Snapshotter.open(devices, snapshotterSettings(options, devices.options), serviceLog);
  const server = new Server({
    "grpc.max_receive_message_length": maximumRequestBytes,
    "grpc.max_concurrent_streams": maximumStreams,
    ...keepalive,
  });
  server.addService(snapshotsService, snapshotsHandlers(snapshotter, serviceLog));
  try {
    const placed = await placePrivateSocket(socket, (path) => bind(server, path));
    return {
      name: "containerd",
      socket,
      close: async () => {
        placed.remove();
        await end(server);
        await snapshotter.close();
      },
    };
  } catch (error) {
    server.forceShutdown();
    await snapshotter.close();
    throw error;
  }
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** Lets requests under way end, for a while. */
function end(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const patience = setTimeout(() => server.forceShutdown(), closingMs);
    server.tryShutdown(() => {
      clearTimeout(patience);
      resolve();
    });
  });
}
