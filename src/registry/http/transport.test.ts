import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { usualPatience } from "../patience.ts";
import { Transport } from "./transport.ts";

interface TestServer {
  address: string;
  /** What a proxy was asked for. */
  tunnels: string[];
}

async function serve(t: TestContext, listener: RequestListener, tunnelTo?: string): Promise<TestServer> {
  const server = createServer(listener);
  const sockets = new Set<Socket>();
  const tunnels: string[] = [];
  server.on("connection", (socket) => sockets.add(socket));
  server.on("connect", (request, socket) => {
    tunnels.push(request.url ?? "");
    const [host, port] = tunnelTo!.split(":");
    const onward = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    sockets.add(onward);
    onward.on("error", () => undefined);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, tunnels };
}

function transport(t: TestContext, insecure: "insecure" | "secure"): Transport {
  const made = new Transport({ insecure: insecure === "insecure", ca: undefined }, usualPatience);
  t.after(() => made.close());
  return made;
}

test("goes through the proxy that the environment names, and never for this machine", async (t) => {
  const registry = await serve(t, (_request, response) => response.end("registry"));
  const proxy = await serve(t, (_request, response) => response.end("proxy"), registry.address);
  process.env["http_proxy"] = `http://${proxy.address}`;
  t.after(() => delete process.env["http_proxy"]);
  const through = transport(t, "insecure");
  const get = async (address: string): Promise<string> =>
    text((await through.send({ method: "GET", url: new URL(`http://${address}/v2/`) })).body);
  assert.equal(await get("registry.invalid:5000"), "registry");
  assert.equal(await get(registry.address), "registry");
  assert.deepEqual(proxy.tunnels, ["registry.invalid:5000"]);
});

test("shows an authorization to the host that it is for alone, and sends a body again where it is told to", async (t) => {
  const seen: IncomingHttpHeaders[] = [];
  const other = await serve(t, (request, response) => {
    seen.push(request.headers);
    void text(request).then((body) => response.end(body));
  });
  const first = await serve(t, (request, response) => {
    seen.push(request.headers);
    request.resume();
    const own = request.url === "/own";
    response.writeHead(307, { location: own ? "/again" : `http://${other.address}/` }).end();
  });
  const { body } = await transport(t, "insecure").send({
    method: "PUT",
    url: new URL(`http://${first.address}/own`),
    authorization: "Bearer secret",
    body: () => "content",
  });
  assert.equal(await text(body), "content");
  assert.deepEqual(
    seen.map(({ authorization }) => authorization),
    ["Bearer secret", "Bearer secret", undefined],
  );
});

test("takes no plain HTTP, asked for or redirected to, unless that is allowed", async (t) => {
  await assert.rejects(transport(t, "secure").send({ method: "GET", url: new URL("http://127.0.0.1:1/") }), {
    code: "refused",
    message: /plain HTTP has to be allowed, with --insecure/,
  });
  const server = await serve(t, (_request, response) =>
    response.writeHead(302, { location: "file:///etc/passwd" }).end(),
  );
  await assert.rejects(transport(t, "insecure").send({ method: "GET", url: new URL(`http://${server.address}/`) }), {
    code: "refused",
  });
});
