import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { GraphInspection } from "../src/adopt/inspect.ts";
import type { ExportResult } from "../src/adopt/export.ts";
import type { Change } from "../src/layer/change.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { adopt, adoptJson, dockerGraph, fixture, stampsOf } from "./adopt-support.ts";
import { lacksRequirement, micaCommand, outcomeOf, run, scratchGraph } from "./cli-support.ts";

interface Manifest {
  config: { digest: string };
  layers: { digest: string }[];
}

function lines(changes: Change[]): string[] {
  return changes.map(({ kind, path }) => `${kind} ${path}`);
}

suite("a graph that Docker 20.10 left on ext4", () => {
  test("inspect tells what Docker told, and touches nothing", async (t) => {
    const dataRoot = dockerGraph(t);
    const before = stampsOf(dataRoot);
    const found = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.deepEqual(found.problems, []);
    assert.equal(found.layout, "content-addressed");
    assert.deepEqual(
      found.images.map(({ id, references, layers }) => [id, references, layers.map(({ diffId }) => diffId)]),
      [
        [fixture.img2, ["img2:1"], [fixture.baseLayer, fixture.img2Layer]],
        [fixture.base, ["base:1"], [fixture.baseLayer]],
      ],
    );
    assert.equal(found.images[0].sizeBytes, 2_982_261 + 983_056);
    const [c2, c1] = found.containers;
    assert.deepEqual(
      [c1.name, c1.id, c1.image, c1.state, c1.exitCode, c1.deviceId],
      ["c1", fixture.c1, "base:1", "exited", 0, 4],
    );
    // Docker made img2:1 from c1, so its layer's size is c1's.
    assert.equal(c1.sizeBytes, 983_056);
    assert.equal(c1.exclusiveBytes, 24 * 65_536);
    assert.deepEqual([c2.name, c2.id, c2.image, c2.state, c2.deviceId], ["c2", fixture.c2, "img2:1", "created", 7]);
    assert.ok(found.pool !== null);
    // 0 4194304 thin-pool 7 1680/16384 1090/32768
    assert.equal(found.pool.transactionId, 7);
    assert.equal(found.pool.dataUsedBytes, 1090 * 65_536);
    assert.equal(found.pool.dataTotalBytes, 32_768 * 65_536);
    assert.equal(found.pool.metadataTotalBytes, 16_384 * 4096);
    assert.equal(found.pool.fileSystem, "ext4");
    assert.deepEqual(stampsOf(dataRoot), before);
  });

  test("inspect's tables have names, sizes and states; the devicemapper folder may be named too", async (t) => {
    const dataRoot = dockerGraph(t);
    const { status, stdout, stderr } = await adopt("inspect", join(dataRoot, "devicemapper"));
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^img2:1 +0c60bee5c43a +2026-11-22 03:03:40 +2 +3\.965 MB$/m);
    assert.match(stdout, /^98c39c6aa088 +ddcc68ed6734 +5 +983\.1 kB +img2:1$/m);
    assert.match(stdout, /^c1 +45470184b4bb +base:1 +\/bin\/sh -c echo hi > \/etc\/x; … +exited \(0\) +4 +983\.1 kB/m);
    assert.match(stdout, /^No problems found$/m);
  });

  test("diff is Docker's", async (t) => {
    const dataRoot = dockerGraph(t);
    assert.deepEqual(lines(await adoptJson<Change[]>(0, "diff", dataRoot, "c1")), fixture.diffC1);
    const { stdout } = await adopt("diff", dataRoot, fixture.c2.slice(0, 6));
    assert.deepEqual(stdout.trim().split("\n"), fixture.diffC2);
  });

  test("a folder: the images' IDs and layers are Docker's, byte for byte, and skopeo takes them", async (t) => {
    const dataRoot = dockerGraph(t);
    const out = join(scratchFolder(t), "all");
    const before = stampsOf(dataRoot);
    const result = await adoptJson<ExportResult>(0, "export", dataRoot, "--to", out);
    assert.deepEqual(stampsOf(dataRoot), before);
    assert.deepEqual(result.failed, []);
    assert.deepEqual(
      result.exported.map(({ kind, name, references }) => [kind, name, references[0]]),
      [
        ["image", "img2:1", "img2:1"],
        ["image", "base:1", "base:1"],
        ["container", "c2", "adopted/c2:latest"],
        ["container", "c1", "adopted/c1:latest"],
      ],
    );
    for (const name of readdirSync(join(out, "blobs/sha256"))) {
      const bytes = readFileSync(join(out, "blobs/sha256", name));
      assert.equal(createHash("sha256").update(bytes).digest("hex"), name);
    }
    for (const [name, id, layers] of [
      ["base:1", fixture.base, [fixture.baseLayer]],
      ["img2:1", fixture.img2, [fixture.baseLayer, fixture.img2Layer]],
    ] as const) {
      const manifest = await copied(t, `oci:${out}:${name}`);
      assert.equal(manifest.config.digest, id);
      assert.deepEqual(
        manifest.layers.map(({ digest }) => digest),
        layers,
      );
    }
    const config = JSON.parse(
      (await run("skopeo", ["inspect", "--config", `oci:${out}:adopted/c1:latest`])).stdout,
    ) as {
      config: { Cmd: string[] };
      history: { created_by?: string; comment: string }[];
    };
    assert.equal(config.config.Cmd[0], "/bin/sh");
    assert.match(config.history[1].created_by ?? "", /^\/bin\/sh -c echo hi > \/etc\/x/);
  });

  for (const kind of ["oci-archive", "docker-archive"]) {
    test(`${kind}: skopeo takes each image of it, in either way`, async (t) => {
      const dataRoot = dockerGraph(t);
      const file = join(scratchFolder(t), "all.tar");
      const { status, stderr } = await adopt("export", dataRoot, "--to", `${kind}:${file}`);
      assert.equal(status, 0, stderr);
      assert.deepEqual(readdirSync(join(file, "..")), ["all.tar"]);
      const ids = new Map([
        ["base:1", fixture.base],
        ["img2:1", fixture.img2],
      ]);
      for (const form of ["oci-archive", "docker-archive"]) {
        for (const [name, id] of ids) assert.equal((await copied(t, `${form}:${file}:${name}`)).config.digest, id);
        assert.equal((await copied(t, `${form}:${file}:adopted/c1:latest`)).layers.length, 2);
      }
    });
  }

  test("what is named is exported, once; the same container gives the same image always", async (t) => {
    const dataRoot = dockerGraph(t);
    const folder = scratchFolder(t);
    const [one, two] = await Promise.all(
      ["one", "two"].map((name) =>
        adoptJson<ExportResult>(0, "export", dataRoot, "c1", fixture.c1.slice(0, 12), "--to", join(folder, name)),
      ),
    );
    assert.equal(one.exported.length, 1);
    assert.equal(one.exported[0].formerId, fixture.c1);
    assert.equal(one.exported[0].id, two.exported[0].id);
  });

  test("mica import takes an export, and has Docker's IDs and the container's changes", async (t) => {
    if (lacksRequirement(t)) return;
    const dataRoot = dockerGraph(t);
    const { folder, ok } = scratchGraph(t);
    const archive = join(folder, "all.tar");
    assert.equal((await adopt("export", dataRoot, "--to", `docker-archive:${archive}`)).status, 0);
    assert.equal(await ok("import", "img2:1", archive), fixture.img2);
    assert.equal((await adopt("export", dataRoot, "c1", "--to", join(folder, "c1"))).status, 0);
    await ok("import", "c1", join(folder, "c1"));
    await ok("create", "c1", "c1");
    const mounted = await ok("mount", "c1");
    assert.equal(readFileSync(join(mounted, "etc/x"), "utf8"), "hi\n");
    assert.match(readFileSync(join(mounted, "etc/base.txt"), "utf8"), /changed\n$/);
    assert.ok(!existsSync(join(mounted, "etc/f1")) && existsSync(join(mounted, "etc/f3")));
  });

  test("another user than root inspects, compares and exports what it may read", async (t) => {
    const dataRoot = dockerGraph(t);
    execFileSync("chmod", ["-R", "a+rX", dataRoot]);
    const out = scratchFolder(t);
    chmodSync(out, 0o777);
    const nobody = (...args: string[]): ReturnType<typeof outcomeOf> =>
      outcomeOf(spawn(process.execPath, [micaCommand, ...args], { uid: 65534, gid: 65534 }));
    if ((await nobody("version")).status !== 0) return t.skip("another user may not read this checkout");
    const inspected = await nobody("adopt", "inspect", dataRoot, "--json");
    assert.equal(inspected.status, 0, inspected.stderr);
    const { problems, containers } = JSON.parse(inspected.stdout) as GraphInspection;
    assert.deepEqual(problems, []);
    assert.equal(containers[1].sizeBytes, 983_056);
    assert.deepEqual((await nobody("adopt", "diff", dataRoot, "c1")).stdout.trim().split("\n"), fixture.diffC1);
    const exported = await nobody("adopt", "export", dataRoot, "--to", join(out, "all"));
    assert.equal(exported.status, 0, exported.stderr);
    const refused = await nobody("adopt", "export", dataRoot, "--to", "/etc/mica-adopt");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^mica: Cannot export to '\/etc\/mica-adopt': .*EACCES/);
    chmodSync(join(dataRoot, "devicemapper/devicemapper/data"), 0o600);
    const closed = await nobody("adopt", "diff", dataRoot, "c1");
    assert.match(closed.stderr, /this user may not read '.*data'\. Run it again with sudo/);
  });

  async function copied(t: Parameters<typeof scratchFolder>[0], source: string): Promise<Manifest> {
    const to = join(scratchFolder(t), "copy");
    const { status, stderr } = await run("skopeo", ["copy", "--quiet", source, `dir:${to}`]);
    assert.equal(status, 0, stderr);
    return JSON.parse(readFileSync(join(to, "manifest.json"), "utf8")) as Manifest;
  }
});
