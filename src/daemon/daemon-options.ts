import type { GraphOptions } from "../graph/graph-options.ts";
import type { ContainerdTable, LogLevel } from "../graph/options/service-tables.ts";

/** Absolute paths of the services' sockets; a service without one is off. */
export interface ServiceSockets {
  dockerPlugin?: string | undefined;
  containerd?: string | undefined;
  api?: string | undefined;
}

/** What a daemon is to do. */
export interface DaemonOptions {
  /** Its messages go to the daemon's log. */
  graph: GraphOptions;
  sockets: ServiceSockets;
  /** How the containerd snapshotter works. */
  snapshotter: ContainerdTable;
  logLevel: LogLevel;
  /** Of Mica; for the log. */
  version: string;
}
