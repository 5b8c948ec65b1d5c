import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A client that holds on to what it has without going on; it does not end by itself. */
export class StuckClient {
  readonly name: string;
  readonly #socket: Socket;
  readonly #timers: NodeJS.Timeout[] = [];

  private constructor(name: string, socket: Socket) {
    this.name = name;
    this.#socket = socket;
    // What the server says of it is of no interest.
    socket.on("error", () => undefined);
  }

  /** Connects, says nothing. */
  static async silent(name: string, socketPath: string): Promise<StuckClient> {
    const socket = connect(socketPath);
    await once(socket, "connect");
    return new StuckClient(name, socket);
  }

  /** Sends the first bytes of a request, and no more. */
  static async stalled(name: string, socketPath: string, bytes: Buffer | string): Promise<StuckClient> {
    const client = await StuckClient.silent(name, socketPath);
    client.#socket.write(bytes);
    return client;
  }

  /** Sends a request's head byte by byte, for ever: its last header never ends. */
  static async dripping(name: string, socketPath: string, head: string): Promise<StuckClient> {
    const client = await StuckClient.silent(name, socketPath);
    const endless = head.replace(/\r\n\r\n$/, "\r\nx: ");
    let sent = 0;
    client.#timers.push(setInterval(() => client.#socket.write(endless[sent++] ?? "x"), 20));
    return client;
  }

  /** Sends a whole request, and takes of the answer no more than its beginning. */
  static async notReading(name: string, socketPath: string, bytes: Buffer | string): Promise<StuckClient> {
    const client = await StuckClient.silent(name, socketPath);
    const begun = new Promise<void>((resolve) => {
      client.#socket.once("data", () => {
        client.#socket.pause();
        resolve();
      });
    });
    client.#socket.write(bytes);
    await begun;
    return client;
  }

  /** Whether the server still has patience with it. */
  get isConnected(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  leave(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#socket.destroy();
  }
}

/** A request's head, whose body of a length is to follow. */
export function requestHead(method: string, path: string, bodyBytes?: number): string {
  const length = bodyBytes === undefined ? [] : [`content-length: ${bodyBytes}`];
  return [`${method} ${path} HTTP/1.1`, "host: mica", ...length, "", ""].join("\r\n");
}
