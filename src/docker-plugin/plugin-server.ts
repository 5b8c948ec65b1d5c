import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { is } from "valibot";
import fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import { cleanup, create, get, init } from "./device-calls.ts";
import { applyDiff, changes, diff, diffSize } from "./layer-calls.ts";
import { limitIdle } from "./limit-idle.ts";
import type { PluginContext } from "./plugin-context.ts";
import { pluginContentType, readRequest, RequestError, requests } from "./protocol.ts";

/** Docker's longest requests, Init's, have a few kilobytes. */
const bodyLimitBytes = 1 << 20;

/** A call with a JSON request and a JSON answer. */
type Call = (context: PluginContext, body: unknown, name: string) => Promise<object>;

const calls: Record<string, Call> = {
  Init: async (context, body, name) => {
    await init(context, readRequest(requests.init, name, body));
    return {};
  },
  Capabilities: () => Promise.resolve({ Capabilities: {} }),
  Create: createCall,
  CreateReadWrite: createCall,
  Remove: async ({ devices }, body, name) => {
    await devices.remove(readRequest(requests.one, name, body).ID);
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
  // What can be no device's name is none's.
  Exists: async ({ devices }, body) => ({ Exists: is(requests.one, body) && (await devices.exists(body.ID)) }),
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

async function createCall(context: PluginContext, body: unknown, name: string): Promise<object> {
  await create(context, readRequest(requests.create, name, body));
  return {};
}

/** The HTTP side of the plugin. */
export interface PluginServer {
  listen(path: string): Promise<void>;
  /** Takes no more requests, and lets those under way end. */
  close(): Promise<void>;
}

/** @param options.idleMs how long the sender of a request may be silent */
export function pluginServer(context: PluginContext, { idleMs }: { idleMs: number }): PluginServer {
  // Connections stay open while nothing is asked: Docker would send what it had begun to send on one that is just closed again from
  // where it was, and half a layer might pass for a whole one.
  const app = fastify({ keepAliveTimeout: 0, bodyLimit: bodyLimitBytes, exposeHeadRoutes: false });
  const underWay = new Set<Promise<void>>();
  app.addHook("preParsing", (_request, _reply, payload, done) => done(null, limitIdle(payload as Readable, idleMs)));
  app.addHook("onRequest", (_request, reply, done) => {
    const answered = finished(reply.raw).catch(() => undefined);
    underWay.add(answered);
    void answered.then(() => underWay.delete(answered));
    done();
  });
  app.setErrorHandler((error, request, reply) => refuse(context, error, request.url, reply));
  app.setNotFoundHandler((request, reply) => answer(reply.code(404), { Err: `There is no call ${request.url}` }));
  void app.register((json, _options, done) => {
    readJsonBodies(json);
    json.post("/Plugin.Activate", (_request, reply) => answer(reply, { Implements: ["GraphDriver"] }));
    for (const [name, call] of Object.entries(calls)) {
      const path = `/GraphDriver.${name}`;
      json.post(path, async (request, reply) => answer(reply, await call(context, request.body, name)));
    }
    json.post("/GraphDriver.Diff", async (request, reply) => {
      await diff(context, readRequest(requests.compare, "Diff", request.body), async (tar) => {
        reply.hijack();
        reply.raw.writeHead(200, { "content-type": "application/x-tar" });
        await pipeline(tar, reply.raw);
      });
    });
    done();
  });
  void app.register((streams, _options, done) => {
    streams.removeAllContentTypeParsers();
    streams.addContentTypeParser("*", (_request, body, parsed) => parsed(null, body));
    streams.post("/GraphDriver.ApplyDiff", async (request, reply) => {
      const { id } = readRequest(requests.apply, "ApplyDiff", request.query);
      const body = request.body instanceof Readable ? request.body : Readable.from([]);
      const size = await applyDiff(context, id, body);
      return answer(reply, { Size: size });
    });
    done();
  });
  return {
    async listen(path) {
      await app.listen({ path });
    },
    async close() {
      app.server.close();
      await Promise.all(underWay);
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

/** As JSON whatever their content type says: Docker says nothing. */
function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, parsed) => {
    try {
      parsed(null, body === "" ? {} : JSON.parse(String(body)));
    } catch {
      parsed(new RequestError(400, "Cannot read the request: its body is not JSON"));
    }
  });
}

function answer(reply: FastifyReply, value: object): FastifyReply {
  return reply.type(pluginContentType).send(JSON.stringify(value));
}

function refuse({ log }: PluginContext, error: unknown, call: string, reply: FastifyReply): FastifyReply {
  const message = error instanceof Error ? error.message : String(error);
  const status = statusOf(error);
  log[status >= 500 ? "error" : "warn"]({ call }, message);
  return answer(reply.code(status), { Err: message });
}

/** The server's own refusals bring theirs along. */
function statusOf(error: unknown): number {
  const given = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  return given >= 400 && given < 600 ? given : 500;
}
