import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import type { Logger } from "pino";
import type { LayerTar } from "./compare-layers.ts";

/**
 * Sends a tar as it is made. What fails before its first piece is thrown, for a proper answer; what fails later, or a reader that takes
 * nothing for too long, breaks the connection, so that the part that was sent cannot pass for all of it.
 */
export async function sendTar(
  reply: FastifyReply,
  tar: LayerTar,
  { idleMs, log }: { idleMs: number; log: Logger },
): Promise<void> {
  const response = reply.raw;
  const leave = (): void => void tar.stop();
  response.once("close", leave);
  try {
    const pieces = tar.pieces[Symbol.asyncIterator]();
    let next = await pieces.next();
    if (next.done === true) await tar.finished();
    reply.hijack();
    response.writeHead(200, { "content-type": "application/x-tar" });
    try {
      for (; next.done !== true; next = await pieces.next()) {
        if (!response.write(next.value)) await drained(response, idleMs);
      }
      await tar.finished();
      response.end();
    } catch (error) {
      log.warn({ error }, "a layer's tar was not sent to its end");
      response.destroy();
    }
  } finally {
    response.off("close", leave);
  }
}

async function drained(response: ServerResponse, idleMs: number): Promise<void> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(new Error(`its reader took nothing for ${idleMs / 1000} s`)), idleMs);
  const gone = (): void => waiting.abort(new Error("its reader went away"));
  response.once("close", gone);
  try {
    if (response.destroyed) gone();
    await once(response, "drain", { signal: waiting.signal });
  } catch (error) {
    throw waiting.signal.aborted ? waiting.signal.reason : error;
  } finally {
    clearTimeout(timer);
    response.off("close", gone);
  }
}
