import { is } from "valibot";
import { changes, diffSize } from "./compare-layers.ts";
import { cleanup, create, get, init } from "./device-calls.ts";
import type { PluginContext } from "./plugin-context.ts";
import { readRequest, requests, requireBody } from "./protocol.ts";

/**
 * A call of the graph driver with a request and an answer in JSON.
 *
 * @param body as it was parsed
 * @param name of the call, for messages
 */
export type DriverCall = (context: PluginContext, body: unknown, name: string) => Promise<object>;

/** Which there are, by name; Diff and ApplyDiff, which send and take a tar, are not among them. */
export const driverCalls: Readonly<Record<string, DriverCall>> = {
  Init: async (context, body, name) => {
    await init(context, readRequest(requests.init, name, body));
    return {};
  },
  Capabilities: () => Promise.resolve({ Capabilities: {} }),
  Create: createLayer,
  CreateReadWrite: createLayer,
  Remove: async ({ layers }, body, name) => {
    await layers.remove(readRequest(requests.one, name, body).ID);
    return {};
  },
  Get: async (context, body, name) => {
    const { ID, MountLabel } = readRequest(requests.mount, name, body);
    return { Dir: await get(context, ID, MountLabel) };
  },
  Put: async ({ mounts }, body, name) => {
    await mounts.put(readRequest(requests.one, name, body).ID);
    return {};
  },
  Exists: async ({ devices }, body, name) => {
    requireBody(name, body);
    // What can be no device's name is none's.
    return { Exists: is(requests.one, body) && (await devices.exists(body.ID)) };
  },
  Status: async ({ devices }) => ({ Status: await devices.status() }),
  GetMetadata: async ({ devices }, body, name) => ({
    Metadata: await devices.metadata(readRequest(requests.one, name, body).ID),
  }),
  Cleanup: async (context) => {
    await cleanup(context);
    return {};
  },
  Changes: async (context, body, name) => ({
    Changes: await changes(context, readRequest(requests.compare, name, body)),
  }),
  DiffSize: async (context, body, name) => ({
    Size: await diffSize(context, readRequest(requests.compare, name, body)),
  }),
};

/** Create and CreateReadWrite are the same: every layer is a device of its own. */
async function createLayer(context: PluginContext, body: unknown, name: string): Promise<object> {
  await create(context, readRequest(requests.create, name, body));
  return {};
}
