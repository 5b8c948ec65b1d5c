import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { errorCode } from "../../src/linux/system-error.ts";

/** What came back. */
export interface Answer {
  status: number;
  body: string;
}

/** A request that is not answered within this is one that never would be. */
const answerMs = 60_000;

/** What a client sees whose request was refused before all of it was sent. */
const hungUp = new Set(["EPIPE", "ECONNRESET"]);

/** Sends one request to a unix socket. Status 0 where the server hung up. @throws Error when no whole answer comes */
export function send(
  socketPath: string,
  path: string,
  {
    method = "POST",
    body = "",
    headers = {},
  }: { method?: string; body?: Buffer | string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Said always: a body of a DELETE would go without, and pass for a request of its own.
    const length = { "content-length": Buffer.byteLength(body) };
    const asked = request(
      {
        socketPath,
        path,
        method,
        headers: { ...headers, ...length },
        agent: false,
        signal: AbortSignal.timeout(answerMs),
      },
      (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode ?? 0, body: answer }), reject);
      },
    );
    asked.once("error", (error) => {
      if (hungUp.has(errorCode(error) ?? "")) resolve({ status: 0, body: "" });
      else reject(error);
    });
    asked.end(body);
  });
}

/** How long a server may keep a connection whose client has said all it has to say. */
const silenceMs = 300;

/** Sends bytes, says that no more will come, and reads what there is to read until the other side ends or stays silent. */
export function sendBytes(socketPath: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path: socketPath });
    socket.setTimeout(silenceMs, () => socket.destroy());
    // That the server hangs up on such bytes is what is wanted.
    socket.on("error", () => undefined).on("close", () => resolve());
    socket.resume();
    socket.end(bytes);
  });
}
