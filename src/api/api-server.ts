import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import fastify, { type ConnectionError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { limitIdleSender } from "../service/limit-idle.ts";
import { ApiError, failureOf, idleError } from "./api-error.ts";
import type { ApiGraph, Call, Route } from "./call.ts";
import { linesType } from "./json-lines.ts";
import { LinesAnswer } from "./send-lines.ts";
import { sendTar } from "./send-tar.ts";
import type { CallsUnderWay } from "./under-way.ts";

/** Of a body of JSON. Those that come as a stream have no limit. */
const bodyLimitBytes = 1 << 20;
/** An image's name may be long, and more so when it is written for a URL. */
const longestParameter = 4096;
/** A request's head comes at once, or somebody only keeps the connection. */
const headersMs = 10_000;

/** Answers to heads that Node's HTTP server gives up on, by its codes. */
const refusedHeads: Partial<Record<string, [statusCode: number, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [431, "Request Header Fields Too Large"],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "Request Timeout"],
};

/** What the server needs beside its routes. */
export interface ApiServerParts {
  graph: ApiGraph;
  log: Logger;
  calls: CallsUnderWay;
  /** How long the sender of a body, or the reader of a tar, may be silent. */
  idleMs: number;
}

/** Makes the HTTP server of the API; it listens nowhere yet. */
export function apiServer(routes: readonly Route[], parts: ApiServerParts): FastifyInstance {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: longestParameter },
    // A long upload is a long request: silence is what ends it, not time.
    requestTimeout: 0,
    keepAliveTimeout: 0,
    http: { headersTimeout: headersMs },
    frameworkErrors: (error, request, reply) => void refuse(parts.log, error, request, reply),
    clientErrorHandler: refuseConnection,
  });
  const silent = (): Error => idleError("Cannot read the request: its sender was silent");
  app.addHook("preParsing", (_request, _reply, payload, done) =>
    done(null, limitIdleSender(payload as Readable, parts.idleMs, silent)),
  );
  app.setErrorHandler((error, request, reply) => refuse(parts.log, error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const message = `Cannot find ${request.method} ${request.url}: the API has no such call`;
    return refuse(parts.log, new ApiError(404, { code: "no-such-route", message }), request, reply);
  });
  void app.register((scope, _options, done) => {
    for (const route of routes) if (route.takes === "json") addRoute(scope, route, parts);
    done();
  });
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, body, parsed) => parsed(null, body));
    for (const route of routes) if (route.takes === "stream") addRoute(scope, route, parts);
    done();
  });
  return app;
}

function addRoute(app: FastifyInstance, route: Route, { graph, log, calls, idleMs }: ApiServerParts): void {
  app.route({
    method: route.method,
    url: route.path,
    handler: (request, reply) =>
      calls.during(idOf(request), async () => {
        const call = callOf(request, reply, calls.stopped);
        if (route.answers === "tar") {
          await answering(log, request, reply, () =>
            sendTar(reply.raw, idleMs, (target) => route.write(graph, call, target)),
          );
        } else if (request.headers.accept === linesType) {
          const lines = new LinesAnswer(reply.raw);
          await answering(log, request, reply, () => lines.end(route.handle(graph, call, lines.progress)));
        } else {
          await reply.send(await route.handle(graph, call, () => undefined));
        }
      }),
  });
}

/** Sends what fastify has no part in. Of an answer that was begun when it failed there is nothing more to send. */
async function answering(
  log: Logger,
  request: FastifyRequest,
  reply: FastifyReply,
  send: () => Promise<void>,
): Promise<void> {
  try {
    await send();
    reply.hijack();
  } catch (error) {
    if (reply.raw.headersSent) {
      reply.hijack();
      tell(log, error, request);
    }
    throw error;
  }
}

function callOf(request: FastifyRequest, { raw }: FastifyReply, stopped: AbortSignal): Call {
  const gone = new AbortController();
  const leave = (): void => {
    if (!raw.writableFinished) gone.abort(new Error("Cannot go on: the client has gone"));
  };
  if (raw.destroyed) leave();
  else raw.once("close", leave);
  return {
    path: request.params as Record<string, string>,
    query: request.query,
    body: request.body ?? undefined,
    stream: request.body as Readable,
    signal: AbortSignal.any([gone.signal, stopped]),
  };
}

/** The ID that a client gave its request. */
function idOf({ headers }: FastifyRequest): string | undefined {
  const id = headers["mica-request"];
  return typeof id === "string" && id !== "" ? id : undefined;
}

function refuse(log: Logger, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  tell(log, error, request);
  const { statusCode, failure } = failureOf(error);
  return reply.code(statusCode).type("application/json").send(JSON.stringify(failure));
}

/** What is no HTTP, or no head that could be a request's. */
function refuseConnection(error: ConnectionError, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [statusCode, reason] = refusedHeads[error.code] ?? [400, "Bad Request"];
  const { failure } = failureOf(Object.assign(new Error(error.message), { statusCode }));
  const body = JSON.stringify(failure);
  const head = `HTTP/1.1 ${statusCode} ${reason}\r\nconnection: close\r\ncontent-type: application/json\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** What a client can put right is told to it alone. */
function tell(log: Logger, error: unknown, request: FastifyRequest): void {
  const { statusCode, failure } = failureOf(error);
  const about = { call: `${request.method} ${request.url}`, code: failure.code };
  if (statusCode >= 500) log.error({ ...about, err: error }, failure.message);
  else log.debug(about, failure.message);
}
