import { request } from "node:http";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { pino } from "pino";
import type { DeviceSet } from "../../graph/device-set.ts";
import { testGraph, type TestGraph } from "../../graph/testing/test-graph.ts";
import { openImageStore } from "../../image/image-store.ts";
import type { Store } from "../../image/store.ts";
import { serveApi } from "../api-service.ts";

/** What the API answered. */
export interface Answered {
  status: number;
  type: string;
  body: string;
}

/** A graph of its own, served by the API in this process. */
export interface ServedApi {
  graph: TestGraph;
  devices: DeviceSet;
  store: Store;
  socket: string;
  /** What the service logged, a JSON line each. */
  logged: string[];
  /** A folder for the test's files. */
  folder: string;
  /** @param body sent as JSON, unless it is a text or bytes */
  ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answered>;
  close: () => Promise<void>;
}

/** Makes one; undefined, and the test skipped, where the machine cannot. @param idleMs see `ApiOptions` */
export async function servedApi(t: TestContext, { idleMs = 60_000 } = {}): Promise<ServedApi | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  const devices = await graph.open();
  const store = await openImageStore(devices);
  const folder = dirname(graph.root);
  const socket = join(folder, "api.sock");
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(line) });
  const service = await serveApi({ devices, store, log }, { socket, idleMs });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= service.close());
  t.after(close);
  const ask: ServedApi["ask"] = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const given = body === undefined ? headers : { "content-type": "application/json", ...headers };
      const sent = request({ socketPath: socket, method, path, headers: given }, (answer) => {
        const { statusCode = 0, headers: got } = answer;
        text(answer).then((all) => resolve({ status: statusCode, type: got["content-type"] ?? "", body: all }), reject);
      });
      sent.on("error", reject);
      sent.end(
        body === undefined || typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
      );
    });
  return { graph, devices, store, socket, logged, folder, ask, close };
}
