import { once } from "node:events";
import type { Logger } from "pino";
import { openDeviceSet, prepareRoot, type DeviceSet } from "../graph/graph.ts";
import { claimForDaemon } from "../graph/locks/daemon-claim.ts";
import { openImageStore } from "../image/image-store.ts";
import { takeNotifySocket } from "../linux/sd-notify.ts";
import { announce } from "./announce.ts";
import { daemonLog, graphLogTo } from "./daemon-log.ts";
import type { DaemonOptions } from "./daemon-options.ts";
import { keepHouse } from "./housekeeping.ts";
import { startServices } from "./start-services.ts";
import { stopServices } from "./stop-services.ts";

/** Tells the service manager, if there is one. */
type Notify = (state: string) => void;

/**
 * Serves a graph until it is asked to stop: opens it, starts the services, and when `stop` fires lets requests under way end. The pool and
 * what is mounted or active stay, then as after a death at any moment: the next daemon goes on with them.
 *
 * @throws GraphError EBUSY where the graph has a daemon; what opening it or starting a service throws
 */
export async function runDaemon(options: DaemonOptions, stop: AbortSignal): Promise<void> {
  const log = daemonLog(options.logLevel);
  process.on("uncaughtExceptionMonitor", (error) => log.fatal({ err: error }, "the daemon dies of a mistake in it"));
  const notify = notifier(log);
  const root = prepareRoot(options.graph.root);
  const release = claimForDaemon(root);
  try {
    const devices = await openDeviceSet({ ...options.graph, root, log: graphLogTo(log) });
    try {
      await serve(devices, options, { log, notify, stop });
    } finally {
      await devices.close();
    }
  } finally {
    release();
  }
  log.info("stopped");
}

async function serve(
  devices: DeviceSet,
  options: DaemonOptions,
  { log, notify, stop }: { log: Logger; notify: Notify; stop: AbortSignal },
): Promise<void> {
  const store = await openImageStore(devices);
  const services = await startServices({ devices, store, log }, options);
  const endHousekeeping = keepHouse({ devices, store }, log);
  let withdraw: () => void = () => undefined;
  try {
    withdraw = announce(devices.root, {
      pid: process.pid,
      api: options.sockets.api,
      deviceMapper: devices.deviceMapper,
      storageOptions: options.graph.storageOptions ?? [],
    });
    const { root, poolName, deviceMapper } = devices;
    log.info({ version: options.version, root, pool: poolName, deviceMapper, sockets: options.sockets }, "ready");
    notify(`READY=1\nSTATUS=Serving ${root}`);
    if (!stop.aborted) await once(stop, "abort");
    log.info("stopping: requests under way may end, a second signal ends at once");
    notify("STOPPING=1");
  } finally {
    // First, so that commands no longer come to a daemon that is about to go.
    withdraw();
    await Promise.all([stopServices(services, log), endHousekeeping()]);
  }
}

function notifier(log: Logger): Notify {
  const notify = takeNotifySocket(process.env);
  return (state) => {
    try {
      notify(state);
    } catch (error) {
      log.warn({ err: error }, "the service manager was not told");
    }
  };
}
