import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

/** What came back. */
export interface Answer {
  status: number;
  body: string;
}

/** A request that is not answered within this is one that never would be. */
const answerMs = 60_000;

/** Sends one request to a unix socket. @throws Error when no whole answer comes */
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
    asked.once("error", reject);
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
