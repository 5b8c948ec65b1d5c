import { realpathSync } from "node:fs";
import { readDaemonFile } from "../service/daemon-file.ts";
import { errorCode } from "../linux/system-error.ts";
import { ApiConnection } from "./api-connection.ts";
import type { GraphAccess } from "./graph-access.ts";
import { RemoteDevices, type GraphFacts } from "./remote-devices.ts";
import { RemoteStore } from "./remote-store.ts";

/** A graph as its daemon serves it. */
export class RemoteGraph implements GraphAccess {
  readonly devices: RemoteDevices;
  readonly store: RemoteStore;
  readonly #api: ApiConnection;

  /** Use {@link connectToDaemon}. */
  constructor(api: ApiConnection, facts: GraphFacts) {
    this.#api = api;
    this.devices = new RemoteDevices(api, facts);
    this.store = new RemoteStore(api);
  }

  /** The graph's folder. */
  get root(): string {
    return this.devices.root;
  }

  /** Closes the connection. What the daemon mounted or counts for this client stays so. */
  close(): Promise<void> {
    this.#api.close();
    return Promise.resolve();
  }

  /** The same as {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** That a daemon has gone, and nobody listens on its socket. */
const gone: readonly (string | undefined)[] = ["ENOENT", "ECONNREFUSED"];

/**
 * Finds the daemon that serves a graph, by `$root/daemon.json`.
 *
 * @returns undefined where none with an API runs
 * @throws ApiError when there is one that does not answer as it should
 */
export async function connectToDaemon(root: string): Promise<RemoteGraph | undefined> {
  const { api } = readDaemonFile(root) ?? {};
  if (api === undefined) return undefined;
  const connection = new ApiConnection(api);
  try {
    const facts = await connection.json<GraphFacts>("GET", "/v1/version");
    // A dead daemon's socket may have become another graph's.
    if (facts.root === realpathSync(root)) return new RemoteGraph(connection, facts);
  } catch (error) {
    if (!gone.includes(errorCode(error))) throw error;
  }
  connection.close();
  return undefined;
}
