import { randomUUID } from "node:crypto";
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { json } from "node:stream/consumers";
import { errorCode } from "../linux/system-error.ts";
import { ApiError, type Failure } from "./api-error.ts";
import type { Method } from "./call.ts";
import { linesType, readLines } from "./json-lines.ts";
import type { Outcome } from "./under-way.ts";

/** What a request carries. */
export interface RequestParts {
  /** Sent as JSON. */
  body?: object | undefined;
  /** Sent as it comes, instead of `body`. */
  stream?: Readable | undefined;
  /** Aborted, the daemon undoes what it did so far, and the promise rejects when it has. */
  signal?: AbortSignal | undefined;
  /** Told on the way. */
  progress?: ((event: never) => void) | undefined;
}

/** How long an aborted request may take to be undone. */
const undoingMs = 60_000;

/** Requests to the API at one socket. Every failure is an ApiError. */
export class ApiConnection {
  readonly #socket: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** @returns the answer's JSON value, which is believed to be what the call answers */
  async json<T>(method: Method, path: string, parts: RequestParts = {}): Promise<T> {
    return this.#undoable(parts.signal, async (id) => {
      const wantsLines = parts.progress !== undefined;
      const answer = await this.#send(method, path, { id, accept: wantsLines ? linesType : "application/json" }, parts);
      if (answer.headers["content-type"] === linesType) return this.#lastLine<T>(answer, parts.progress);
      return (await json(answer)) as T;
    });
  }

  /** Writes the answer's body, as it comes, and ends the target. */
  async stream(path: string, target: Writable, parts: RequestParts = {}): Promise<void> {
    return this.#undoable(parts.signal, async (id) => {
      const answer = await this.#send("GET", path, { id, accept: "application/x-tar" }, parts);
      try {
        await pipeline(answer, target, parts.signal === undefined ? {} : { signal: parts.signal });
      } catch (error) {
        throw answer.complete ? error : ((await this.#outcomeOf(id)) ?? error);
      }
    });
  }

  /** Closes what is open of it. */
  close(): void {
    this.#agent.destroy();
  }

  /** Aborted, a request ends when the daemon has undone it. */
  async #undoable<T>(signal: AbortSignal | undefined, work: (id: string) => Promise<T>): Promise<T> {
    const id = randomUUID();
    try {
      return await work(id);
    } catch (error) {
      if (signal?.aborted === true) await this.#outcomeOf(id);
      throw error;
    }
  }

  /** The failure that a request ended with, as far as the daemon still tells. */
  async #outcomeOf(id: string): Promise<ApiError | undefined> {
    try {
      const signal = AbortSignal.timeout(undoingMs);
      const answer = await this.#send("GET", `/v1/requests/${id}`, { accept: "application/json" }, { signal });
      const { failure } = (await json(answer)) as Outcome;
      return failure === null ? undefined : new ApiError(0, failure);
    } catch {
      return undefined;
    }
  }

  async #lastLine<T>(answer: IncomingMessage, progress: RequestParts["progress"]): Promise<T> {
    for await (const line of readLines(answer)) {
      const { progress: event, result, error } = JSON.parse(line) as { progress?: object; result?: T; error?: Failure };
      if (event !== undefined) progress?.(event as never);
      else if (error !== undefined) throw new ApiError(answer.statusCode ?? 0, error);
      else return result as T;
    }
    throw brokenOff(new Error("the answer has no end"));
  }

  async #send(
    method: Method,
    path: string,
    { id, accept }: { id?: string; accept: string },
    { body, stream, signal }: RequestParts,
  ): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      accept,
      ...(id !== undefined && { "mica-request": id }),
      ...(text !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      ...(stream !== undefined && { "content-type": "application/octet-stream" }),
    };
    const request = httpRequest({
      socketPath: this.#socket,
      agent: this.#agent,
      method,
      path,
      headers,
      ...(signal !== undefined && { signal }),
    });
    if (stream === undefined) request.end(text);
    else pipeline(stream, request).catch(() => undefined); // it shows at the request
    const answer = await answerTo(request);
    if (answer.statusCode === 200) return answer;
    const failure = (await json(answer)) as Failure;
    request.destroy(); // what of its body was not sent by now is not wanted
    throw new ApiError(answer.statusCode ?? 0, failure);
  }
}

function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    // The answer may come before all is sent, and what could not be sent then is no news.
    request.once("response", (answer) => resolve(answer));
    request.on("error", (error) => reject(brokenOff(error)));
  });
}

function brokenOff(cause: Error): ApiError {
  const code = errorCode(cause) ?? "FAILED";
  const message = `Cannot complete the request: the daemon gave no answer (${cause.message}). Its log may say why`;
  return new ApiError(0, { code, message }, { cause });
}
