import { createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Transform } from "node:stream";
import type { TestContext } from "node:test";

/** What is done to one request. */
export type Fault =
  /** The answer's body breaks off after so many bytes, with the connection. */
  | { kind: "cut"; afterBytes: number }
  /** The answer's body stops after so many bytes, and the connection stays. */
  | { kind: "stall"; afterBytes: number }
  /** The answer's body is changed. */
  | { kind: "change"; change: (bytes: Buffer) => Buffer }
  /** Answered in the registry's place. */
  | { kind: "answer"; status: number; headers?: OutgoingHttpHeaders; body?: string | Buffer }
  /** The body goes on for ever. */
  | { kind: "endless" }
  /** The connection is cut while the request's body is sent. */
  | { kind: "hang-up" };

/** A request that came through. */
export interface SeenRequest {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
}

/** A proxy in front of a registry, which does to requests what a test says. */
export interface FaultProxy {
  address: string;
  seen: SeenRequest[];
  /** Requests for blobs' contents. */
  blobRequests: () => SeenRequest[];
  /** Decides about each request; a test sets it. */
  fault: (request: SeenRequest) => Fault | undefined;
}

/** Starts one in front of `target` ("127.0.0.1:PORT"); it ends with the test. */
export async function startFaultProxy(t: TestContext, target: string): Promise<FaultProxy> {
  const proxy: FaultProxy = {
    address: "",
    seen: [],
    blobRequests: () => proxy.seen.filter(({ method, url }) => method === "GET" && url.includes("/blobs/")),
    fault: () => undefined,
  };
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers };
    proxy.seen.push(seen);
    pass(target, incoming, outgoing, proxy.fault(seen));
  });
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  proxy.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

function pass(target: string, incoming: IncomingMessage, outgoing: ServerResponse, fault: Fault | undefined): void {
  outgoing.on("error", () => undefined);
  if (fault?.kind === "answer") {
    incoming.resume();
    outgoing.writeHead(fault.status, fault.headers).end(fault.body);
    return;
  }
  if (fault?.kind === "hang-up") {
    incoming.once("data", () => incoming.socket.destroy());
    return;
  }
  const [host, port] = target.split(":");
  // The registry tells addresses by the Host that it was asked by.
  const forwarded = request(
    { host, port, method: incoming.method, path: incoming.url, headers: incoming.headers },
    (answer) => {
      const headers = { ...answer.headers };
      if (fault !== undefined && fault.kind !== "cut" && fault.kind !== "stall") delete headers["content-length"];
      outgoing.writeHead(answer.statusCode ?? 502, headers);
      if (fault === undefined) answer.pipe(outgoing);
      else answer.pipe(faulty(fault, outgoing)).pipe(outgoing);
    },
  );
  forwarded.on("error", () => outgoing.destroy());
  incoming.pipe(forwarded);
}

function faulty(fault: Fault, outgoing: ServerResponse): Transform {
  let passed = 0;
  const whole: Buffer[] = [];
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (fault.kind === "cut" || fault.kind === "stall") {
        const left = Math.max(0, fault.afterBytes - passed);
        passed += chunk.length;
        if (left > 0) this.push(chunk.subarray(0, left));
        if (fault.kind === "cut" && passed > fault.afterBytes) {
          // What was passed on is to get there first.
          setTimeout(() => outgoing.socket?.destroy(), 200);
          return;
        }
        if (fault.kind === "stall" && passed > fault.afterBytes) return; // never done
        done();
      } else {
        whole.push(chunk);
        done();
      }
    },
    flush(done) {
      if (fault.kind === "change") this.push(fault.change(Buffer.concat(whole)));
      if (fault.kind === "endless") {
        const more = (): void => {
          if (!outgoing.writableEnded && !outgoing.destroyed)
            outgoing.write(Buffer.alloc(1 << 16), () => setImmediate(more));
        };
        outgoing.write(Buffer.concat(whole));
        more();
        return; // never done
      }
      done();
    },
  });
}
