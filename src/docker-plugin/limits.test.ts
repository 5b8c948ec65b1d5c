import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { craftTar } from "../layer/testing/craft-tar.ts";
import { answerOf, failureOf, responseTo } from "./testing/plugin-client.ts";
import { testPlugin } from "./testing/test-plugin.ts";
import { until } from "../linux/testing/until.ts";

test("what is no request is refused with a status and a reason, and hurts nobody", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, service } = plugin;
  const create = "GraphDriver.Create";
  const bad: [string, string, number, RegExp][] = [
    [create, "{", 400, /its body is not JSON/],
    [create, "null", 400, /ID/],
    [create, "[]", 400, /ID|its body/],
    [create, '"text"', 400, /its body/],
    [create, '{"ID":5}', 400, /ID: has to be a text/],
    [create, '{"ID":{"a":[]}}', 400, /ID: has to be a text/],
    [create, '{"ID":"a","Parent":["b"]}', 400, /Parent: has to be a text/],
    [create, '{"ID":"a","StorageOpt":{"size":7}}', 400, /StorageOpt\.size/],
    [create, '{"ID":"__proto__"}', 400, /Cannot use '__proto__'/],
    [create, `${"[".repeat(100_000)}${"]".repeat(100_000)}`, 400, /ID/],
    [create, JSON.stringify({ ID: "a", MountLabel: "x".repeat(1 << 20) }), 413, /too large/],
    ["GraphDriver.Init", JSON.stringify({ Opts: [5] }), 400, /Opts\.0/],
    ["GraphDriver.ApplyDiff", "", 400, /id/],
    ["GraphDriver.ApplyDiff?id=../a", "", 400, /Cannot use '\.\.\/a'/],
    ["GraphDriver.ApplyDiff?id=a&id=b", "", 400, /id: has to be a text/],
    ["GraphDriver.ApplyDiff?id=unknown", "", 404, /there is no device unknown/],
    ["GraphDriver.Nothing", "{}", 404, /There is no call/],
    ["VolumeDriver.Create", "{}", 404, /There is no call/],
  ];
  for (const [path, body, status, expected] of bad) {
    const failure = failureOf(await client.call(path, body));
    assert.match(failure.message, expected, `${path} ${body.slice(0, 100)}`);
    assert.equal(failure.status, status, `${path} ${body.slice(0, 100)}: ${failure.message}`);
  }
  for (const noise of [
    "GET / HTTP/1.1\r\n\r\n",
    "\0\x01\x02\xff".repeat(1000),
    "POST /GraphDriver.Get HTTP/1.1\r\nX: ",
    "\r\n",
  ]) {
    const socket = connect(service.socket);
    socket.on("error", () => undefined);
    socket.end(noise, "latin1");
    await text(socket).catch(() => "");
  }
  assert.deepEqual(await client.ok("Exists", { ID: "a" }), { Exists: false });
});

test("a connection that Docker may be about to use is never closed", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const response = await responseTo(plugin.client.begin("Plugin.Activate", { keepAlive: true }).end());
  await answerOf(response);
  assert.equal(response.headers.connection, "keep-alive");
  assert.equal(response.headers["keep-alive"], undefined, "no time is set");
});

test("what Docker repeats without its body is refused in words that say so", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client } = plugin;
  for (const call of [
    "Init",
    "Create",
    "Remove",
    "Get",
    "Put",
    "Exists",
    "GetMetadata",
    "Diff",
    "Changes",
    "DiffSize",
  ]) {
    for (const headers of [{ "content-length": 0 }, { "transfer-encoding": "chunked" }]) {
      const pending = client.begin(`GraphDriver.${call}`, { headers });
      const { status, message } = failureOf(await answerOf(await responseTo(pending.end())));
      assert.equal(status, 400);
      assert.match(message, new RegExp(`request ${call}: it has no body.*run the command again`));
    }
  }
});

test("one that is closed answers what it is being asked, and closes each connection with the answer", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, service } = plugin;
  const slow = client.begin("GraphDriver.Create", { keepAlive: true });
  const answers = responseTo(slow);
  slow.write('{"ID":');
  const late = connect(service.socket);
  const answersLate = text(late);
  late.write("POST /GraphDriver.Exists HTTP/1.1\r\nHost: plugin\r\n");
  await client.ok("Status"); // both have come
  const closed = service.close();
  late.write('Content-Length: 10\r\n\r\n{"ID":"a"}');
  assert.match(
    await answersLate,
    /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*connection: close\r\n(.*\r\n)*\r\n\{"Exists":false\}$/i,
  );
  slow.end('"late"}');
  const answer = await answers;
  assert.deepEqual([answer.statusCode, answer.headers.connection], [200, "close"]);
  await closed;
  await assert.rejects(client.ok("Status"), { code: "ENOENT" });
});

test("a sender that stays away is told so, its layer is as before, and others go on meanwhile", async (t) => {
  const plugin = await testPlugin(t, { idleMs: 400 });
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  for (const ID of ["stuck", "other"]) await client.ok("Create", { ID });
  const upload = client.begin("GraphDriver.ApplyDiff?id=stuck");
  const request = client.begin("GraphDriver.Create");
  const answers = [responseTo(upload), responseTo(request)];
  upload.write(craftTar([{ name: "file", content: "1" }]).subarray(0, 512));
  request.write('{"ID":"never"');
  const tar = craftTar([{ name: "file", content: "1" }]);
  assert.equal((await client.applyDiff("other", Readable.from([tar]))).status, 200);
  for (const answer of answers) {
    const { status, message } = failureOf(await answerOf(await answer));
    assert.equal(status, 408);
    assert.match(message, /its sender was silent for 0.4 s/);
  }
  upload.destroy();
  request.destroy();
  assert.deepEqual(await client.ok("Changes", { ID: "stuck" }), { Changes: [] });
  assert.deepEqual(await client.ok("Exists", { ID: "never" }), { Exists: false });
  assert.deepEqual(readdirSync(join(devices.root, "docker-plugin/under-way")), []);
});

test("a sender that is slow, but not away, is waited for", async (t) => {
  const plugin = await testPlugin(t, { idleMs: 2000 });
  if (plugin === undefined) return;
  const { client } = plugin;
  await client.ok("Create", { ID: "slow" });
  const tar = craftTar([{ name: "file", content: "1".repeat(2000) }]);
  async function* slowly(): AsyncGenerator<Buffer> {
    for (let at = 0; at < tar.length; at += 512) {
      yield tar.subarray(at, at + 512);
      await sleep(300);
    }
  }
  assert.deepEqual((await client.applyDiff("slow", Readable.from(slowly()))).body, { Size: 2000 });
});

test("a reader that takes nothing loses its connection, and what was mounted for it goes", async (t) => {
  const plugin = await testPlugin(t, { idleMs: 400 });
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  await client.ok("Create", { ID: "layer" });
  const { Dir } = (await client.ok("Get", { ID: "layer" })) as { Dir: string };
  for (let index = 0; index < 20; index++) writeFileSync(join(Dir, String(index)), Buffer.alloc(1 << 20));
  await client.ok("Put", { ID: "layer" });
  const pending = client.begin("GraphDriver.Diff");
  pending.end(JSON.stringify({ ID: "layer" }));
  const response = await responseTo(pending);
  response.pause();
  await client.ok("Create", { ID: "meanwhile" });
  await until("it is unmounted", () => !readdirSync(join(devices.root, "mnt")).includes("layer"));
  const broken = once(response, "error");
  response.resume();
  assert.match(String((await broken)[0]), /aborted/);
});

test("requests for different layers run side by side, those for one in their order", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  const layers = Array.from({ length: 8 }, (_, index) => `layer-${index}`);
  const tar = craftTar([{ name: "file", content: "1" }]);
  // One that takes as long as the others together, as its end waits for theirs.
  await client.ok("Create", { ID: "long" });
  const long = client.begin("GraphDriver.ApplyDiff?id=long");
  const answer = responseTo(long);
  long.write(tar.subarray(0, 512));
  await Promise.all(
    layers.map(async (ID) => {
      await client.ok("Create", { ID });
      assert.deepEqual((await client.applyDiff(ID, Readable.from([tar]))).body, { Size: 1 });
    }),
  );
  const removed = client.ok("Remove", { ID: "long" });
  long.end(tar.subarray(512));
  assert.equal((await answerOf(await answer)).status, 200, "its removal waited");
  await removed;
  assert.deepEqual((await devices.devices()).map(({ id }) => id).sort(), ["base", ...layers]);
});
