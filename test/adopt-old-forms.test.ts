import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { ExportResult } from "../src/adopt/export.ts";
import type { GraphInspection } from "../src/adopt/inspect.ts";
import type { Change } from "../src/layer/change.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { turnIntoV1, v1Ids } from "./fixtures/turn-into-v1.ts";
import { adopt, adoptJson, dockerGraph, fixture, stampsOf } from "./adopt-support.ts";

function v1Graph(t: TestContext): string {
  const dataRoot = dockerGraph(t);
  turnIntoV1(dataRoot);
  return dataRoot;
}

suite("images of Docker 1.9", () => {
  test("inspect and diff", async (t) => {
    const dataRoot = v1Graph(t);
    const found = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    // Containers that were made from c2's devices are not there any more.
    assert.deepEqual(found.problems, []);
    assert.equal(found.layout, "v1");
    assert.deepEqual(
      found.images.map(({ id, references, layers }) => [id, references, layers.map(({ deviceId }) => deviceId)]),
      [
        [v1Ids.img2, ["img2:1"], [2, 5]],
        [v1Ids.base, ["base:1"], [2]],
      ],
    );
    assert.deepEqual(
      found.containers.map(({ id, imageId, sizeBytes }) => [id, imageId, sizeBytes]),
      [[v1Ids.container, v1Ids.base, 983_056]],
    );
    const changes = await adoptJson<Change[]>(0, "diff", dataRoot, "c1");
    assert.deepEqual(
      changes.map(({ kind, path }) => `${kind} ${path}`),
      fixture.diffC1,
    );
  });

  test("exported with the configuration and the ID that the upgrade to Docker 1.10 gave them", async (t) => {
    const dataRoot = v1Graph(t);
    const out = join(scratchFolder(t), "all");
    const { exported, failed } = await adoptJson<ExportResult>(0, "export", dataRoot, "--to", out);
    assert.deepEqual(failed, []);
    const img2 = exported.find(({ name }) => name === "img2:1");
    assert.equal(img2?.formerId, v1Ids.img2);
    assert.deepEqual(img2.layers, [fixture.baseLayer, fixture.img2Layer]);
    // As Docker's encoder wrote it: keys in order, "&" and ">" as escapes.
    const config =
      '{"architecture":"amd64","config":{"Cmd":["/bin/sh"]},"container_config":{"Cmd":["/bin/sh","-c","a \\u0026\\u0026 b \\u003e c"]},' +
      '"created":"2015-11-22T03:03:40.478982870Z","docker_version":"1.9.1",' +
      '"history":[{"created":"2015-11-22T03:03:20.677597654Z","comment":"Imported from -"},' +
      '{"created":"2015-11-22T03:03:40.478982870Z","created_by":"/bin/sh -c a \\u0026\\u0026 b \\u003e c"}],"os":"linux",' +
      `"rootfs":{"type":"layers","diff_ids":["${fixture.baseLayer}","${fixture.img2Layer}"]}}`;
    assert.equal(readFileSync(join(out, "blobs/sha256", img2.id.slice(7)), "utf8"), config);
    assert.equal(img2.id, `sha256:${createHash("sha256").update(config).digest("hex")}`);
    assert.deepEqual(exported.map(({ name }) => name).sort(), ["base:1", "c1", "img2:1"]);
    const again = await adoptJson<ExportResult>(0, "export", dataRoot, v1Ids.img2.slice(0, 8), "--to", `${out}2`);
    assert.equal(again.exported[0].id, img2.id);
  });

  test("a layer without its tar record is packed anew; a broken chain is told", async (t) => {
    const dataRoot = v1Graph(t);
    rmSync(join(dataRoot, "graph", v1Ids.img2, "tar-data.json.gz"));
    const { exported } = await adoptJson<ExportResult>(
      0,
      "export",
      dataRoot,
      "img2:1",
      "--to",
      join(scratchFolder(t), "a"),
    );
    assert.equal(exported[0].layers[0], fixture.baseLayer);
    assert.notEqual(exported[0].layers[1], fixture.img2Layer);
    rmSync(join(dataRoot, "graph", v1Ids.base), { recursive: true });
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.ok(
      problems.some((problem) =>
        problem.startsWith(`Image img2:1 (${v1Ids.img2}): its layer ${v1Ids.base} is missing`),
      ),
    );
    const out = scratchFolder(t);
    const { status, stderr } = await adopt("export", dataRoot, "img2:1", "--to", join(out, "all"));
    assert.equal(status, 1);
    assert.match(stderr, /^mica: Cannot export image img2:1: its layer 7e62.* is missing or damaged$/m);
    assert.deepEqual(readdirSync(out), []);
  });
});

suite("devices in the one file of the oldest versions", () => {
  test("are read from it, and nothing is migrated", async (t) => {
    const dataRoot = dockerGraph(t);
    const folder = join(dataRoot, "devicemapper/metadata");
    const devices = Object.fromEntries(
      readdirSync(folder)
        .filter((name) => !["deviceset-metadata", "transaction-metadata"].includes(name))
        .map((name) => [name === "base" ? "" : name, JSON.parse(readFileSync(join(folder, name), "utf8")) as object]),
    );
    rmSync(folder, { recursive: true });
    writeFileSync(join(dataRoot, "devicemapper/devicemapper/json"), JSON.stringify({ Devices: devices }));
    const before = stampsOf(dataRoot);
    const { problems, containers, pool } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.deepEqual(problems, []);
    assert.equal(pool?.baseSizeBytes, 2 ** 30);
    assert.deepEqual(
      containers.map(({ name, deviceId }) => [name, deviceId]),
      [
        ["c2", 7],
        ["c1", 4],
      ],
    );
    assert.deepEqual((await adopt("diff", dataRoot, "c1")).stdout.trim().split("\n"), fixture.diffC1);
    assert.deepEqual(stampsOf(dataRoot), before);
    assert.ok(!existsSync(folder));
  });
});
