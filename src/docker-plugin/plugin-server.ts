import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { limitIdleSender } from "../service/limit-idle.ts";
import { diff } from "./compare-layers.ts";
import { driverCalls } from "./driver-calls.ts";
import type { PluginContext } from "./plugin-context.ts";
import { pluginContentType, readRequest, RequestError, requests } from "./protocol.ts";
import { sendTar } from "./send-tar.ts";

/** Docker's longest requests, Init's, have a few kilobytes. */
const bodyLimitBytes = 1 << 20;

/** What has not ended so long after the server was told to close is broken off. */
const closeMs = 20_000;

/** The HTTP side of the plugin. */
export interface PluginServer {
  listen(path: string): Promise<void>;
  /** Takes no more connections, answers what is asked on those that are there, and closes them. */
  close(): Promise<void>;
}

/** @param options.idleMs how long the sender of a request may be silent */
export function pluginServer(context: PluginContext, { idleMs }: { idleMs: number }): PluginServer {
  // Connections stay open while nothing is asked: Docker would send what it had begun to send on one that is just closed again from
  // where it was, and half a layer might pass for a whole one.
  const app = fastify({ http: { headersTimeout: 0 }, bodyLimit: bodyLimitBytes, exposeHeadRoutes: false });
  app.server.keepAliveTimeout = 0; // as an option, it would be taken for none given
  const underWay = new Set<Promise<unknown>>();
  const during = <T>(work: Promise<T>): Promise<T> => {
    const ended = work.then(nothing, nothing);
    underWay.add(ended);
    void ended.then(() => underWay.delete(ended));
    return work;
  };
  const silent = (): Error =>
    new RequestError(408, `Cannot read the request: its sender was silent for ${idleMs / 1000} s`);
  app.addHook("preParsing", (_request, _reply, payload, done) =>
    done(null, limitIdleSender(payload as Readable, idleMs, silent)),
  );
  const answers = new Set<ServerResponse>();
  let closing = false;
  app.addHook("onRequest", (_request, reply, done) => {
    void during(finished(reply.raw)).catch(nothing);
    answers.add(reply.raw);
    reply.raw.once("close", () => answers.delete(reply.raw));
    if (closing) reply.raw.shouldKeepAlive = false;
    done();
  });
  app.setErrorHandler((error, request, reply) => refuse(context, error, request.url, reply));
  app.setNotFoundHandler((request, reply) => answer(reply.code(404), { Err: `There is no call ${request.url}` }));
  void app.register((json, _options, done) => {
    readJsonBodies(json);
    json.post("/Plugin.Activate", (_request, reply) => answer(reply, { Implements: ["GraphDriver"] }));
    for (const [name, call] of Object.entries(driverCalls)) {
      json.post(`/GraphDriver.${name}`, async (request, reply) => {
        const result = await during(call(context, request.body, name));
        if (name.startsWith("Create")) tellAnswered(context, request, reply);
        return answer(reply, result);
      });
    }
    json.post("/GraphDriver.Diff", async (request, reply) => {
      const pair = readRequest(requests.compare, "Diff", request.body);
      await during(diff(context, pair, (tar) => sendTar(reply, tar, { idleMs, log: context.log })));
    });
    done();
  });
  void app.register((streams, _options, done) => {
    streams.removeAllContentTypeParsers();
    streams.addContentTypeParser("*", (_request, body, parsed) => parsed(null, body));
    streams.post("/GraphDriver.ApplyDiff", async (request, reply) => {
      const { id } = readRequest(requests.apply, "ApplyDiff", request.query);
      const tar = request.body instanceof Readable ? request.body : Readable.from([]);
      const { owners } = context.session;
      const isSenderThere = (): boolean => !request.raw.socket.destroyed;
      try {
        return await answer(reply, { Size: await during(context.layers.apply(id, { tar, owners, isSenderThere })) });
      } finally {
        // What was not wanted any more: a sender that is kept from sending may never look for an answer.
        request.raw.resume();
      }
    });
    done();
  });
  return {
    async listen(path) {
      await app.listen({ path });
    },
    async close() {
      closing = true;
      app.server.close();
      // A connection that was closed without an answer has Docker ask the next process, but not with the body that it sent to this one. One that
      // ends with an answer is not used again.
      for (const answer of answers) answer.shouldKeepAlive = false;
      const patience = setTimeout(() => app.server.closeAllConnections(), closeMs);
      while (underWay.size > 0) await Promise.all(underWay);
      clearTimeout(patience);
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

function nothing(): void {
  // for what has been dealt with elsewhere
}

/** As JSON whatever their content type says: Docker says nothing. */
function readJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, parsed) => {
    try {
      parsed(null, body === "" ? undefined : JSON.parse(String(body)));
    } catch {
      parsed(new RequestError(400, "Cannot read the request: its body is not JSON"));
    }
  });
}

/** When Docker has the answer, it knows of the device. */
function tellAnswered({ layers }: PluginContext, { body }: FastifyRequest, { raw }: FastifyReply): void {
  const { ID: id } = readRequest(requests.one, "Create", body);
  raw.once("close", () => {
    if (raw.writableFinished) layers.answered(id);
  });
}

function answer(reply: FastifyReply, value: object): FastifyReply {
  // As bytes: to a text, the server would add a character set.
  return reply.type(pluginContentType).send(Buffer.from(JSON.stringify(value)));
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
