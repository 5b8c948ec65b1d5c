import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { missingRequirement } from "../src/cli/requirements.ts";
import { snapshotsService } from "../src/containerd/snapshots-proto.ts";
import { craftTar } from "../src/layer/testing/craft-tar.ts";
import { footprint, settled, type Footprint } from "./fuzz/footprint.ts";
import { send } from "./fuzz/send.ts";
import { call, snapshotterClient } from "./fuzz/snapshotter-requests.ts";
import { requestHead, StuckClient } from "./fuzz/stuck-clients.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";
import { MicaDaemon } from "./mica-daemon.ts";

/** More than the sockets between daemon and reader hold. */
const largeBytes = 8 << 20;
/** Connections of one client. */
const many = 300;

const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

suite("clients that are stuck", { skip: missingRequirement() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-stuck-"));
  const plugin = join(folder, "plugin.sock");
  const containerd = join(folder, "containerd.sock");
  const api = join(folder, "api.sock");
  const sockets = { "--docker-plugin": plugin, "--containerd": containerd, "--api": api };
  const daemon = new MicaDaemon(folder, sockets, ["dm.basesize=256M", "dm.loopdatasize=2G", "dm.loopmetadatasize=32M"]);
  const large = craftTar([{ name: "large", content: randomBytes(largeBytes) }]);
  const stuck: StuckClient[] = [];
  let atRest: Footprint;

  before(async () => {
    await daemon.start();
    for (const ID of ["read", "written"])
      await ok(send(plugin, "/GraphDriver.Create", { body: JSON.stringify({ ID }) }));
    await ok(send(plugin, "/GraphDriver.ApplyDiff?id=read", { body: large }));
    await ok(send(api, "/v1/images/upload?name=image", { body: large }));
    await ok(post(api, "/v1/containers", { image: "image", name: "container" }));
    await othersWork("warm");
    atRest = footprint(daemon.pid);
  });
  after(async () => {
    for (const client of stuck) client.leave();
    await daemon.shutdown();
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  /** What a client asks for that knows nothing of the others: a bit of everything, on devices of its own. */
  async function othersWork(name: string): Promise<void> {
    const driver = (path: string, body: object): Promise<void> => ok(post(plugin, `/GraphDriver.${path}`, body));
    await driver("Create", { ID: name });
    await driver("Get", { ID: name });
    await driver("Put", { ID: name });
    await ok(send(plugin, `/GraphDriver.ApplyDiff?id=${name}`, { body: large }));
    await driver("Diff", { ID: name });
    await driver("Remove", { ID: name });
    await ok(post(api, "/v1/containers", { image: "image", name }));
    await ok(post(api, `/v1/containers/${name}/mount`, {}));
    await ok(post(api, `/v1/containers/${name}/umount`, {}));
    await ok(send(api, `/v1/containers/${name}`, { method: "DELETE" }));
    await ok(send(api, "/v1/health", { method: "GET" }));
    const snapshots = snapshotterClient(containerd);
    const key = `${name}-key`;
    for (const [method, request] of [
      ["Prepare", { snapshotter: "mica", key, parent: "", labels: {} }],
      ["Commit", { snapshotter: "mica", name, key, labels: {} }],
      ["List", { snapshotter: "mica", filters: [] }],
      ["Remove", { snapshotter: "mica", key: name }],
    ] as const) {
      const message = snapshotsService[method].requestSerialize(request);
      assert.equal(await call(snapshots, { method, message }), undefined, method);
    }
    snapshots.close();
    const listed = await daemon.mica("ls");
    assert.equal(listed.status, 0, listed.stderr);
  }

  test("harm no other: while they are stuck, everything goes on", async () => {
    const half = large.subarray(0, large.length / 2);
    const diff = JSON.stringify({ ID: "read" });
    stuck.push(
      await StuckClient.stalled(
        "plugin: half a request",
        plugin,
        requestHead("POST", "/GraphDriver.Create", 50) + '{"ID":',
      ),
      await StuckClient.stalled(
        "containerd: half a frame",
        containerd,
        Buffer.concat([preface, Buffer.from([0, 1, 0])]),
      ),
      await StuckClient.stalled(
        "plugin: half a layer",
        plugin,
        Buffer.concat([Buffer.from(requestHead("POST", "/GraphDriver.ApplyDiff?id=written", large.length)), half]),
      ),
      await StuckClient.stalled(
        "api: half an image",
        api,
        Buffer.concat([Buffer.from(requestHead("POST", "/v1/images/upload?name=half", large.length)), half]),
      ),
      await StuckClient.notReading(
        "plugin: unread layer",
        plugin,
        requestHead("POST", "/GraphDriver.Diff", diff.length) + diff,
      ),
      await StuckClient.notReading("api: unread image", api, requestHead("GET", "/v1/images/image/archive")),
      await StuckClient.notReading(
        "api: unread container",
        api,
        requestHead("GET", "/v1/containers/container/archive"),
      ),
    );
    const named = stuck.length;
    // These may be given up meanwhile: the time that a request's head may take is short.
    stuck.push(
      await StuckClient.dripping("plugin: a byte at a time", plugin, requestHead("POST", "/GraphDriver.Status")),
      await StuckClient.dripping("api: a byte at a time", api, requestHead("GET", "/v1/info")),
    );
    for (const socket of [plugin, containerd, api]) {
      stuck.push(...(await Promise.all(Array.from({ length: many }, () => StuckClient.silent("one of many", socket)))));
    }
    await Promise.all(["a", "b", "c"].map(othersWork));
    const gone = stuck.slice(0, named).filter(({ isConnected }) => !isConnected);
    assert.deepEqual(
      gone.map(({ name }) => name),
      [],
      "they are stuck still",
    );
  });

  test("leave nothing behind when they go", async () => {
    for (const client of stuck) client.leave();
    assert.deepEqual(await settled(daemon.pid, atRest), []);
    for (const ID of ["read", "written"]) await ok(post(plugin, "/GraphDriver.Remove", { ID }));
    await ok(send(api, "/v1/containers/container", { method: "DELETE" }));
    await ok(send(api, "/v1/images/image", { method: "DELETE" }));
    const devices = await daemon.mica("--json", "ls");
    assert.deepEqual(
      (JSON.parse(devices.stdout) as { id: string }[])
        .map(({ id }) => id)
        .filter((id) => !/^(containerd-)?base/.test(id)),
      [],
    );
    const checked = await daemon.mica("check");
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    await daemon.stop();
    assert.equal((await daemon.mica("shutdown")).status, 0);
    assert.deepEqual(leftoversIn(folder), []);
  });
});

function post(socket: string, path: string, body: object): ReturnType<typeof send> {
  return send(socket, path, { body: JSON.stringify(body), headers: { "content-type": "application/json" } });
}

async function ok(sent: ReturnType<typeof send>): Promise<void> {
  const { status, body } = await sent;
  assert.equal(status, 200, body.slice(0, 300));
}
