import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { GraphLocks } from "../graph/locks/graph-locks.ts";
import { until } from "../linux/testing/until.ts";
import { servedApi, type ServedApi } from "./testing/served-api.ts";

interface Failure {
  code: string;
  message: string;
}

async function failure(api: ServedApi, ...call: Parameters<ServedApi["ask"]>): Promise<Failure & { status: number }> {
  const { status, type, body } = await api.ask(...call);
  assert.match(type, /^application\/json\b/);
  return { status, ...(JSON.parse(body) as Failure) };
}

function tarOf(api: ServedApi, bytes: number): string {
  const [files, tar] = [join(api.folder, "files"), join(api.folder, "files.tar")];
  mkdirSync(files, { recursive: true });
  writeFileSync(join(files, "file"), Buffer.alloc(bytes, "some bytes"));
  execFileSync("tar", ["-C", files, "-cf", tar, "."]);
  return tar;
}

test("what cannot be read is refused by name, with a code and a status", async (t) => {
  const api = await servedApi(t);
  if (api === undefined) return;
  assert.equal(statSync(api.socket).mode & 0o777, 0o600);
  const refusals: [call: Parameters<ServedApi["ask"]>, status: number, code: string, message: RegExp][] = [
    [["GET", "/v2/images"], 404, "no-such-route", /GET \/v2\/images/],
    [["PUT", "/v1/images"], 404, "no-such-route", /PUT/],
    [["POST", "/v1/containers", "{"], 400, "invalid-request", /JSON/],
    [["POST", "/v1/containers", {}], 400, "invalid-request", /body: image/],
    [["POST", "/v1/containers", { image: "a", nmae: "b" }], 400, "invalid-request", /nmae/],
    [["POST", "/v1/containers", { image: "a", size: "much" }], 400, "invalid-request", /size/],
    [["POST", "/v1/containers", [1]], 400, "invalid-request", /body/],
    [["POST", "/v1/containers", { image: "x".repeat(5000) }], 400, "invalid-request", /at most 4096/],
    [["POST", "/v1/containers", { image: "x".repeat(1 << 20) }], 413, "too-large", /too large/],
    [["POST", "/v1/containers", "<x/>", { "content-type": "text/xml" }], 415, "invalid-request", /Media Type/i],
    [["POST", "/v1/containers", { image: "nothing" }], 404, "not-found", /nothing/],
    [["POST", "/v1/images/import", { name: "a", path: "b" }], 400, "invalid-request", /absolute/],
    [["POST", "/v1/images/import", { name: "a", path: "/no/such" }], 404, "not-found", /no such file/],
    [["POST", "/v1/images/upload"], 400, "invalid-request", /query: name/],
    [["POST", "/v1/images/upload?name=A%20B"], 400, "invalid", /Cannot use 'A B'/],
    [["GET", "/v1/images/team%2Fapp:2/archive"], 404, "not-found", /team\/app:2/],
    [["GET", "/v1/containers/web/archive"], 404, "not-found", /web/],
    [["POST", "/v1/devices", { id: "../etc" }], 400, "EINVAL", /\.\.\/etc/],
    [["POST", "/v1/devices", { id: "a", parent: "b" }], 404, "ENOENT", /parent b/],
    [["GET", "/v1/devices/a"], 404, "ENOENT", /device a/],
    [["GET", "/v1/devices/base/blocks/-1"], 400, "invalid-request", /counts from 0/],
    [["POST", "/v1/pool/grow", { data: "1G" }], 400, "EINVAL", /cannot be made smaller/],
    [["PATCH", "/v1/pool/autogrow", { threshold: "5%" }], 400, "EINVAL", /threshold/],
    [["GET", "/v1/images/%ZZ"], 400, "invalid-request", /Cannot read the request: .*%ZZ/],
    [["GET", `/v1/images/${"x".repeat(20_000)}`], 431, "too-large", /Cannot read the request/],
    [["GET", "/v1/requests/unknown"], 404, "not-found", /unknown/],
  ];
  for (const [call, status, code, message] of refusals) {
    const told = await failure(api, ...call);
    assert.deepEqual([told.status, told.code], [status, code], `${call[0]} ${call[1]}: ${told.message}`);
    assert.match(told.message, message);
  }
  assert.equal((await api.ask("GET", "/v1/health")).body, '{"status":"ok"}');
});

test("an upload tells its progress in lines, and its failure in the last one", async (t) => {
  const api = await servedApi(t);
  if (api === undefined) return;
  const lines = { accept: "application/x-ndjson" };
  const body = { name: "app", path: tarOf(api, 3_000_000) };
  const { status, type, body: answer } = await api.ask("POST", "/v1/images/import", body, lines);
  assert.deepEqual([status, type], [200, "application/x-ndjson"]);
  const told = answer
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, { kind?: string; id?: string }>);
  assert.equal(told[0]["progress"].kind, "source");
  assert.equal(told.at(-2)?.["progress"].kind, "layer-done");
  assert.match(told.at(-1)?.["result"].id ?? "", /^sha256:/);
  assert.ok(told.length < 20, "not for each piece that came");

  const start = readFileSync(body.path).subarray(0, 2_000_000);
  const broken = await api.ask("POST", "/v1/images/upload?name=b", start, lines);
  const last = JSON.parse(broken.body.trim().split("\n").at(-1) ?? "") as { error: Failure };
  assert.equal(last.error.code, "damaged");
  assert.match(last.error.message, /^Cannot import/);
});

test("a client that goes away in the middle of an upload leaves nothing, and others go on meanwhile", async (t) => {
  const api = await servedApi(t);
  if (api === undefined) return;
  const headers = { "mica-request": "mine" };
  const upload = request({ socketPath: api.socket, method: "POST", path: "/v1/images/upload?name=app", headers });
  upload.on("error", () => undefined);
  upload.write(readFileSync(tarOf(api, 3_000_000)).subarray(0, 2_000_000));
  await until("there is a layer", async () => (await api.devices.devices()).length > 1);
  assert.equal((await api.ask("GET", "/v1/tree")).status, 200);
  upload.destroy();
  const { failure: told } = JSON.parse((await api.ask("GET", "/v1/requests/mine")).body) as { failure: Failure | null };
  assert.notEqual(told, null, "it is undone when that is answered");
  assert.deepEqual(
    (await api.devices.devices()).map(({ id }) => id),
    ["base"],
  );
  assert.deepEqual(await api.devices.check(), []);
});

test("clients that are silent harm nobody, and are given up", async (t) => {
  const api = await servedApi(t, { idleMs: 500 });
  if (api === undefined) return;
  await api.store.import("app", tarOf(api, 20_000_000));
  const silent = Array.from({ length: 50 }, () => connect(api.socket).on("error", () => undefined));
  for (const socket of silent) socket.write("GET /v1/vers");
  const upload = request({ socketPath: api.socket, method: "POST", path: "/v1/images/upload?name=late" });
  upload.on("error", () => undefined);
  upload.write(readFileSync(tarOf(api, 3_000_000)).subarray(0, 2_000_000));
  const [answer] = (await once(upload, "response")) as [{ statusCode: number }];
  assert.equal(answer.statusCode, 408);
  upload.destroy();

  const reader = request({
    socketPath: api.socket,
    path: "/v1/images/app/archive",
    headers: { "mica-request": "slow" },
  });
  reader.on("error", () => undefined);
  reader.end();
  const [archive] = (await once(reader, "response")) as [NodeJS.ReadableStream];
  archive.on("error", () => undefined); // and never read
  const outcome = JSON.parse((await api.ask("GET", "/v1/requests/slow")).body) as { failure: Failure | null };
  assert.notEqual(outcome.failure, null);
  assert.ok((await api.devices.devices()).every(({ mountPoint }) => mountPoint === undefined));
  for (const socket of silent) socket.destroy();
});

test("calls on one device wait for each other, those on others do not", async (t) => {
  const api = await servedApi(t);
  if (api === undefined) return;
  await Promise.all(["a", "b"].map((id) => api.ask("POST", "/v1/devices", { id })));
  const locks = new GraphLocks(api.graph.root, 60_000, () => undefined);
  let release: () => void = () => undefined;
  const held = locks.device("a", () => new Promise<void>((resolve) => (release = resolve)));
  const done: string[] = [];
  const mount = (id: string, call: string): Promise<unknown> =>
    api.ask("POST", `/v1/devices/${id}/${call}`).then(({ status }) => done.push(`${call} ${id} ${status}`));
  const waiting = [mount("a", "mount")];
  await sleep(20); // sent before the next one
  waiting.push(mount("a", "umount"));
  await mount("b", "mount");
  assert.deepEqual(done, ["mount b 200"]);
  release();
  await Promise.all([held, ...waiting]);
  assert.deepEqual(done, ["mount b 200", "mount a 200", "umount a 200"]);
  locks.close();
  await mount("b", "umount");
});

test("closing lets what is under way end, and takes the socket away", async (t) => {
  const api = await servedApi(t);
  if (api === undefined) return;
  const tar = readFileSync(tarOf(api, 3_000_000));
  const upload = request({ socketPath: api.socket, method: "POST", path: "/v1/images/upload?name=app" });
  const answered = once(upload, "response") as Promise<[{ statusCode: number; resume: () => void }]>;
  upload.write(tar.subarray(0, 2_000_000));
  await until("there is a layer", async () => (await api.devices.devices()).length > 1);
  const closing = api.close();
  assert.ok(!existsSync(api.socket));
  upload.end(tar.subarray(2_000_000));
  const [answer] = await answered;
  answer.resume();
  assert.equal(answer.statusCode, 200);
  await closing;
  assert.deepEqual(
    (await api.store.images()).map(({ references }) => references),
    [["app:latest"]],
  );
});
