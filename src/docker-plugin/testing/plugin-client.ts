import { request, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";

/** What a plugin answered. */
export interface PluginAnswer {
  status: number;
  contentType: string | undefined;
  body: Record<string, unknown>;
}

/** How a request is sent. */
export interface RequestShape {
  keepAlive?: boolean;
  headers?: OutgoingHttpHeaders;
}

/** Asks a plugin as dockerd does, and as it should not. */
export class PluginClient {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** A call of the graph driver that must succeed. @returns its answer */
  async ok(name: string, body: object = {}): Promise<Record<string, unknown>> {
    const answer = await this.call(`GraphDriver.${name}`, JSON.stringify(body));
    if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** A call of the graph driver that must fail. @returns its error */
  async refused(name: string, body: object): Promise<{ status: number; message: string }> {
    return failureOf(await this.call(`GraphDriver.${name}`, JSON.stringify(body)));
  }

  /** Any request. */
  async call(path: string, body: string): Promise<PluginAnswer> {
    const pending = this.begin(path);
    pending.end(body);
    return answerOf(await responseTo(pending));
  }

  /** A layer's tar. */
  async diff(id: string, parent = ""): Promise<Buffer> {
    const pending = this.begin("GraphDriver.Diff");
    pending.end(JSON.stringify({ ID: id, Parent: parent }));
    const response = await responseTo(pending);
    const body = await buffer(response);
    if (response.statusCode !== 200) throw new Error(`Diff: ${body.toString()}`);
    return body;
  }

  /** Unpacks a tar. */
  async applyDiff(id: string, tar: Readable): Promise<PluginAnswer> {
    const pending = this.begin(`GraphDriver.ApplyDiff?id=${id}&parent=`);
    const response = responseTo(pending);
    await pipeline(tar, pending);
    return answerOf(await response);
  }

  /** A request that is still to be written; its connection ends with it, unless told. */
  begin(path: string, { keepAlive = false, headers = {} }: RequestShape = {}): ClientRequest {
    if (keepAlive) headers = { ...headers, connection: "keep-alive" };
    return request({ socketPath: this.#socket, path: `/${path}`, method: "POST", agent: false, headers });
  }
}

/** What came of a request. @throws Error when the connection broke */
export function responseTo(pending: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => pending.once("response", resolve).once("error", reject));
}

/** An answer in JSON. */
export async function answerOf(response: IncomingMessage): Promise<PluginAnswer> {
  const body = JSON.parse(await text(response)) as Record<string, unknown>;
  return { status: response.statusCode ?? 0, contentType: response.headers["content-type"], body };
}

/** The error in an answer. */
export function failureOf({ status, body }: PluginAnswer): { status: number; message: string } {
  if (status === 200 || typeof body.Err !== "string") throw new Error(`not refused: ${status} ${JSON.stringify(body)}`);
  return { status, message: body.Err };
}
