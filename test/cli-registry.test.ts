import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { ImageSummary, PulledImage, PushedImage } from "../src/index.ts";
import { lacksRequirement, scratchGraph, smallImage, type Scratch } from "./cli-support.ts";
import { registryFor } from "./docker-registry.ts";
import { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
import { servedGraph } from "./served-graph.ts";
import { until } from "../src/linux/testing/until.ts";

async function registryBehindProxy(t: TestContext): Promise<FaultProxy | undefined> {
  const registry = await registryFor(t);
  return registry && startFaultProxy(t, registry.address);
}

/** An image with a container's change on top. */
async function changedImage(graph: Pick<Scratch, "ok" | "folder">, name: string): Promise<void> {
  await graph.ok("import", "app", await smallImage(graph.folder));
  await graph.ok("create", "app", "web");
  const root = await graph.ok("mount", "web");
  writeFileSync(join(root, "data", "mine"), "mine\n");
  rmSync(join(root, "etc", "new"));
  await graph.ok("umount", "web");
  await graph.ok("commit", "web", name);
  await graph.ok("rm", "web");
}

async function removeImages(graph: Pick<Scratch, "ok" | "json">): Promise<void> {
  for (const { id } of await graph.json<ImageSummary[]>("images")) await graph.ok("rmi", id);
}

suite("images go to a registry and come back, by the command", { timeout: 300_000 }, () => {
  test("with all that they were, on thin devices", async (t) => {
    if (lacksRequirement(t)) return;
    const proxy = await registryBehindProxy(t);
    if (proxy === undefined) return;
    const graph = scratchGraph(t);
    const name = `${proxy.address}/team/app:2`;
    await changedImage(graph, name);
    const refused = await graph.mica("push", name);
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      /^mica: Cannot reach https:.*does not speak TLS. Plain HTTP has to be allowed with --insecure\n$/,
    );
    const pushed = await graph.json<PushedImage>("push", "--insecure", name);
    assert.equal(pushed.name, name);
    await removeImages(graph);
    // Where the line breaks in the middle.
    let broken = 0;
    proxy.fault = ({ url, method }) =>
      method === "GET" && url.includes("/blobs/") && broken++ === 1 ? { kind: "cut", afterBytes: 100 } : undefined;
    const pulled = await graph.json<PulledImage>("pull", "--insecure", `docker://${name}`, "--name", "back");
    assert.deepEqual(pulled, { ...pushed, name: "back:latest" });
    await graph.ok("create", "back", "web");
    const root = await graph.ok("mount", "web");
    assert.equal(readFileSync(join(root, "data/mine"), "utf8"), "mine\n");
    assert.equal(readFileSync(join(root, "etc/name"), "utf8"), "upper\n");
    assert.deepEqual(readdirSync(join(root, "etc")), ["name"]);
    assert.equal(await graph.ok("diff", "web"), "");
    await graph.ok("umount", "web");
    assert.match(await graph.ok("check"), /^No problems/i);
  });

  test("or nothing of them stays, when a pull is interrupted or killed", async (t) => {
    if (lacksRequirement(t)) return;
    const proxy = await registryBehindProxy(t);
    if (proxy === undefined) return;
    const graph = scratchGraph(t);
    const name = `${proxy.address}/team/app:2`;
    await changedImage(graph, name);
    await graph.ok("push", "--insecure", name);
    await removeImages(graph);
    const before = await graph.json<object[]>("ls");
    let blobs = 0;
    // The configuration comes, and the layers stay away.
    proxy.fault = ({ url }) => (url.includes("/blobs/") && blobs++ > 0 ? { kind: "stall", afterBytes: 10 } : undefined);
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      blobs = 0;
      const pulling = graph.start("pull", "--insecure", name);
      await until("the layers are asked for", () => blobs >= 4);
      pulling.kill(signal);
      const [status, by] = (await once(pulling, "close")) as [number | null, NodeJS.Signals | null];
      assert.deepEqual([status, by], signal === "SIGINT" ? [130, null] : [null, "SIGKILL"]);
      assert.deepEqual(await graph.json("images"), []);
      assert.deepEqual(await graph.json("ls"), before, signal);
      for (const folder of ["tmp", "pending", "layers"]) {
        assert.deepEqual(readdirSync(join(graph.root, "image", folder)), [], `${folder} after ${signal}`);
      }
    }
    proxy.fault = () => undefined;
    await graph.ok("pull", "--insecure", name);
    assert.match(await graph.ok("check"), /^No problems/i);
  });
});

suite("through the daemon", { timeout: 300_000 }, () => {
  test("images are pulled, pushed, and taken from and saved to any form", async (t) => {
    if (lacksRequirement(t)) return;
    const proxy = await registryBehindProxy(t);
    if (proxy === undefined) return;
    const graph = await servedGraph(t);
    const name = `${proxy.address}/team/app:2`;
    await changedImage(graph, name);
    const pushed = await graph.json<PushedImage>("push", "--insecure", name);
    await removeImages(graph);
    assert.deepEqual(await graph.json("pull", "--insecure", name), pushed);
    assert.equal(await graph.ok("import", "--insecure", "mine", `docker://${name}`), pushed.id);
    for (const form of ["oci:@layout:2", "oci-archive:@oci.tar:2", "docker-archive:@docker.tar:app:2"]) {
      const place = form.replace("@", `${graph.folder}/`);
      await graph.ok("save", "mine", place);
      assert.equal(await graph.ok("import", "again", place), pushed.id);
    }
    const wrong = await graph.mica("import", "again", `oci:${graph.folder}/docker.tar`);
    assert.match(wrong.stderr, /^mica: Cannot import .* is not an OCI image layout/);
    const registry = await graph.mica("save", "mine", "docker://host/app");
    assert.match(registry.stderr, /^mica: Cannot save to 'docker:\/\/host\/app'.*`mica push` is for those/);
  });
});
