import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, suite, test, type TestContext } from "node:test";
import { status, type Client } from "@grpc/grpc-js";
import fc from "fast-check";
import { missingRequirement } from "../src/cli/requirements.ts";
import { describeTree } from "../src/file-system/testing/describe-tree.ts";
import { applyLayer } from "../src/layer/apply.ts";
import { LayerError } from "../src/layer/layer-error.ts";
import { run } from "./cli-support.ts";
import { apiPaths, apiRequests } from "./fuzz/api-requests.ts";
import { campaign, replay } from "./fuzz/campaign.ts";
import { footprint, settled, type Footprint } from "./fuzz/footprint.ts";
import { hostileArchives } from "./fuzz/hostile-archive.ts";
import { hostileHttp, hostileHttp2 } from "./fuzz/hostile-http.ts";
import { hostileTars } from "./fuzz/hostile-tar.ts";
import { pluginPaths, pluginRequests } from "./fuzz/plugin-requests.ts";
import { send, sendBytes, type Answer } from "./fuzz/send.ts";
import { call, snapshotterClient, snapshotterRequests } from "./fuzz/snapshotter-requests.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";
import { MicaDaemon } from "./mica-daemon.ts";

/** What the daemon may grow by, however much it was asked: its heap, and what its libraries keep. */
const growthBytes = 200 * 2 ** 20;

suite("hostile input", { skip: missingRequirement() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-fuzz-"));
  const outside = join(folder, "outside");
  const plugin = join(folder, "plugin.sock");
  const containerd = join(folder, "containerd.sock");
  const api = join(folder, "api.sock");
  const daemon = new MicaDaemon(folder, { "--docker-plugin": plugin, "--containerd": containerd, "--api": api }, [
    "dm.basesize=256M",
    "dm.loopdatasize=2G",
    "dm.loopmetadatasize=32M",
  ]);
  let snapshots: Client;
  let pid: number;
  let atRest: Footprint;
  let untouched: unknown;

  before(async () => {
    mkdirSync(outside);
    writeFileSync(join(outside, "canary"), "alive");
    untouched = describeTree(outside);
    await daemon.start();
    pid = daemon.pid;
    snapshots = snapshotterClient(containerd);
    // So that what is loaded and opened at the first request of a kind counts as there from the start.
    await answers();
    await send(plugin, "/GraphDriver.Create", { body: JSON.stringify({ ID: "layer" }) });
    await send(plugin, "/GraphDriver.ApplyDiff?id=layer", { body: "" });
    atRest = footprint(pid);
  });
  after(async () => {
    snapshots.close();
    await daemon.shutdown();
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  /** The daemon goes on, and says what it is asked. */
  async function answers(): Promise<void> {
    assert.equal(daemon.pid, pid, "the daemon is the one that was started");
    assert.equal((await send(plugin, "/Plugin.Activate")).status, 200);
    assert.equal((await send(api, "/v1/version", { method: "GET" })).status, 200);
    assert.equal(await call(snapshots, { method: "Cleanup", message: Buffer.alloc(0) }), undefined);
  }

  async function growsByItself(enabled: boolean): Promise<void> {
    const headers = { "content-type": "application/json" };
    const asked = { method: "PATCH", headers, body: JSON.stringify({ enabled }) };
    assert.equal((await send(api, "/v1/pool/autogrow", asked)).status, 200);
  }

  async function report(t: TestContext, inputs: Promise<number>): Promise<void> {
    t.diagnostic(`${await inputs} inputs; again: ${replay}`);
    assert.deepEqual(describeTree(outside), untouched, "nothing outside was touched");
  }

  // First, as the server needs half a minute to find out that such connections are dead.
  test("bytes that are no HTTP/2", (t) =>
    report(
      t,
      campaign(
        0.05,
        fc.asyncProperty(fc.array(hostileHttp2, { minLength: 20, maxLength: 20 }), async (connections) => {
          await Promise.all(connections.map((bytes) => sendBytes(containerd, bytes)));
          await answers();
        }),
      ),
    ));

  test("requests of Docker's plugin", (t) =>
    report(
      t,
      campaign(
        0.15,
        fc.asyncProperty(pluginRequests, async ({ path, body }) => {
          isMeant(await send(plugin, path, { body }));
          await answers();
        }),
      ),
    ));

  test("layers that Docker's plugin unpacks", (t) =>
    report(
      t,
      campaign(
        0.15,
        fc.asyncProperty(hostileTars(outside), async (body) => {
          isMeant(await send(plugin, "/GraphDriver.ApplyDiff?id=layer", { body }));
          await answers();
        }),
      ),
    ));

  test("layers that are unpacked into a folder", async (t) => {
    const root = join(folder, "root");
    mkdirSync(root);
    await report(
      t,
      campaign(
        0.15,
        fc.asyncProperty(hostileTars(outside), async (tar) => {
          await applyLayer(Readable.from([tar]), root).catch((error: unknown) =>
            assert.ok(error instanceof LayerError),
          );
        }),
      ),
    );
  });

  test("requests of Mica's own API", (t) =>
    report(
      t,
      campaign(
        0.15,
        fc.asyncProperty(apiRequests, async ({ path, ...request }) => {
          isMeant(await send(api, path, request));
          await answers();
        }),
      ),
    ));

  test("archives that the API imports", (t) =>
    report(
      t,
      campaign(
        0.1,
        fc.asyncProperty(hostileArchives(outside), async (body) => {
          isMeant(await send(api, "/v1/images/upload?name=app", { body }));
          await answers();
        }),
      ),
    ));

  test("calls of containerd's snapshotter", (t) =>
    report(
      t,
      campaign(
        0.15,
        fc.asyncProperty(snapshotterRequests, async (request) => {
          const refusal = await call(snapshots, request);
          const code = refusal?.code ?? status.OK;
          assert.ok(code !== status.DEADLINE_EXCEEDED && code !== status.UNAVAILABLE, `no answer: ${refusal?.message}`);
          // What nobody thought of, unless it says in words what could not be done.
          if (code === status.UNKNOWN) assert.match(refusal!.details, /^Cannot /);
          await answers();
        }),
      ),
    ));

  test("bytes that are no HTTP", (t) =>
    report(
      t,
      campaign(
        0.1,
        fc.asyncProperty(
          fc.array(hostileHttp([...pluginPaths, ...apiPaths]), { maxLength: 20 }),
          async (connections) => {
            await Promise.all(connections.flatMap((bytes) => [sendBytes(plugin, bytes), sendBytes(api, bytes)]));
            await answers();
          },
        ),
      ),
    ));

  test("leave nothing behind", async (t) => {
    await send(plugin, "/GraphDriver.Cleanup");
    // As requests may have done: the pool's monitor is then another process.
    for (const enabled of [false, true]) await growsByItself(enabled);
    assert.deepEqual(await settled(pid, atRest), []);
    const grown = footprint(pid).residentBytes - atRest.residentBytes;
    t.diagnostic(`the daemon has ${Math.round(grown / 2 ** 20)} MiB more than at rest`);
    assert.ok(grown < growthBytes, `the daemon has grown by ${grown} bytes`);
    const checked = await daemon.mica("check");
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    await daemon.stop();
    assert.equal((await daemon.mica("shutdown")).status, 0);
    assert.deepEqual(leftoversIn(folder), []);
    const metadata = await run("thin_check", [join(daemon.root, "devicemapper/metadata")]);
    assert.equal(metadata.status, 0, metadata.stderr);
  });
});

/** A call is carried out, or refused in words that were meant for its sender. */
function isMeant({ status, body }: Answer): void {
  if (status < 500) return;
  const { Err: ofPlugin, message } = JSON.parse(body) as { Err?: string; message?: string };
  assert.match(ofPlugin ?? message ?? "", /^Cannot /);
}
