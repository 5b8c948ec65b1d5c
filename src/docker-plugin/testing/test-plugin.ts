import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import type { DeviceSet } from "../../graph/device-set.ts";
import { testGraph, type TestGraph } from "../../graph/testing/test-graph.ts";
import { openImageStore } from "../../image/image-store.ts";
import type { Service } from "../../service/service.ts";
import { serveDockerPlugin } from "../docker-plugin.ts";
import { PluginClient } from "./plugin-client.ts";

/** A plugin on a graph of its own, in this process. */
export interface TestPlugin {
  graph: TestGraph;
  devices: DeviceSet;
  service: Service;
  client: PluginClient;
}

/** Small enough to be made in no time; layers are to be made larger in tests. */
export const smallGraph = ["dm.basesize=64M", "dm.loopdatasize=2G", "dm.loopmetadatasize=32M"];

/** Serves one; undefined, and the test skipped, where the machine cannot. */
export async function testPlugin(t: TestContext, options: { idleMs?: number } = {}): Promise<TestPlugin | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  const devices = await graph.open({ storageOptions: smallGraph });
  const parts = { devices, store: await openImageStore(devices), log: pino({ level: "silent" }) };
  const socket = join(graph.runDir, "plugin.sock");
  const service = await serveDockerPlugin(parts, { socket, ...options });
  // Before the graph, which is stopped after the test.
  const stop = graph.stop.bind(graph);
  graph.stop = async () => {
    await service.close();
    await stop();
  };
  return { graph, devices, service, client: new PluginClient(socket) };
}
