import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import { tmpdir } from "node:os";
import { openDockerGraph } from "../src/adopt/open/open-docker-graph.ts";
import { cannotRun } from "../src/device-mapper/userspace/test-pool.ts";
import { userspaceDeviceMapper } from "../src/device-mapper/userspace/userspace-device-mapper.ts";
import { shutdownGraph } from "../src/graph/graph.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { openGraph, type Graph } from "../src/index.ts";
import { packageFile } from "../src/linux/package-root.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import { dockerGraphFacts, type DockerGraphName } from "./fixtures/docker-graph.ts";
import { turnIntoV1 } from "./fixtures/turn-into-v1.ts";
import { fixture, garble, metadataOf, stampsOf, wordAt } from "./adopt-support.ts";

describe("a Docker graph in use in place", { skip: cannotRun }, () => {
  const runDir = mkdtempSync(join(tmpdir(), "mica-adopt-run-"));
  const deviceMapper = userspaceDeviceMapper({ runDir });
  after(() => rmSync(runDir, { recursive: true, force: true }));

  /** Opens it, and shuts it down with the test. */
  function adopted(t: TestContext, name = "graph-ext4"): { dataRoot: string; root: string; use: () => Promise<Graph> } {
    const graphs: Graph[] = [];
    const dataRoot = scratchFolder(t, async () => {
      for (const graph of graphs) await graph.close();
      await shutdownGraph({ root: join(dataRoot, "devicemapper"), deviceMapper });
    });
    execFileSync("tar", ["-C", dataRoot, "-xSJf", packageFile(`test/fixtures/docker-20.10-${name}.tar.xz`)]);
    const root = join(dataRoot, "devicemapper");
    const use = async (): Promise<Graph> => {
      const graph = await openGraph({ root, deviceMapper });
      graphs.push(graph);
      return graph;
    };
    return { dataRoot, root, use };
  }

  test("Docker's images and containers are there, with its IDs, names and changes", async (t) => {
    const { dataRoot, root, use } = adopted(t);
    const metadataBefore = readFileSync(metadataOf(dataRoot));
    const dockers = ["image", "containers"].map((name) => stampsOf(join(dataRoot, name)));
    const opened = await openDockerGraph(dataRoot, { deviceMapper });
    assert.deepEqual({ ...opened, backup: "" }, {
      root, backup: "", images: ["img2:1", "base:1"], containers: ["c2", "c1"], leftOut: [], problems: [],
    }); // prettier-ignore
    assert.deepEqual(readFileSync(join(opened.backup, "pool-metadata")), metadataBefore);
    assert.deepEqual(
      readdirSync(join(opened.backup, "graph/metadata")).sort(),
      readdirSync(join(root, "metadata")).sort(),
    );
    assert.equal(await deviceMapper.info((await use()).devices.poolName).then((info) => info?.target), "thin-pool");

    const graph = await use();
    const { store } = graph;
    const lines = (list: { kind: string; path: string }[]): string[] => list.map(({ kind, path }) => `${kind} ${path}`);
    assert.deepEqual(lines(await store.diff("c1")), fixture.diffC1);
    assert.deepEqual(lines(await store.diff(fixture.c2)), fixture.diffC2);
    assert.deepEqual(
      (await store.images()).map(({ id, references }) => [id, references]),
      [
        [fixture.img2, ["img2:1"]],
        [fixture.base, ["base:1"]],
      ],
    );
    assert.deepEqual(await graph.devices.check(), []);
    assert.deepEqual(await store.check(), []);
    // Docker's own files are as they were.
    assert.deepEqual(
      ["image", "containers"].map((name) => stampsOf(join(dataRoot, name))),
      dockers,
    );
  });

  test("a saved image has Docker's layers; a container's image has its changes and its configuration alone", async (t) => {
    const { dataRoot, use } = adopted(t);
    await openDockerGraph(dataRoot, { deviceMapper });
    const { store } = await use();
    const archive = join(dataRoot, "img2.tar");
    await store.save("img2:1", archive); // compares each layer with its digest
    assert.match(execFileSync("tar", ["-tf", archive], { encoding: "utf8" }), new RegExp(fixture.img2Layer.slice(7)));
    const { id } = await store.commit("c1", "c1:saved");
    const image = (await store.images()).find((each) => each.id === id)!;
    assert.equal(image.layers.length, 2);
    const committed = join(dataRoot, "c1.tar");
    await store.save("c1:saved", committed);
    const config = JSON.parse(
      execFileSync("tar", ["-xOf", committed, `blobs/sha256/${id.slice(7)}`], { encoding: "utf8" }),
    ) as { config: { Cmd: string[] }; rootfs: { diff_ids: string[] } };
    assert.equal(config.config.Cmd[0], "/bin/sh");
    const layer = config.rootfs.diff_ids[1].slice(7);
    const members = execFileSync("sh", ["-c", `tar -xOf ${committed} blobs/sha256/${layer} | tar -t`], {
      encoding: "utf8",
    });
    // Nothing of what Docker put under the container (.dockerenv, dev/console …).
    assert.deepEqual(members.trim().split("\n").sort(), [
      "data/", "data/deep/", "data/deep/r1", "data/deep/r2", "data/deep/r3", "etc/", "etc/.wh.f1", "etc/.wh.f2", "etc/base.txt", "etc/x",
    ]); // prettier-ignore
    await store.create("c1:saved", { name: "again" });
    const folder = await store.mount("again");
    assert.equal(existsSync(join(folder, "etc/x")), true);
    assert.equal(existsSync(join(folder, "etc/f1")), false);
    assert.equal(existsSync(join(folder, ".dockerenv")), false);
    await store.umount("again");
  });

  test("a container that goes takes the device under it along, and a new one can be made", async (t) => {
    const { dataRoot, use } = adopted(t);
    await openDockerGraph(dataRoot, { deviceMapper });
    const graph = await use();
    await graph.store.removeContainer("c2");
    const left = (await graph.devices.devices()).map(({ id }) => id);
    assert.ok(!left.some((id) => id.startsWith(fixture.c2Device)), left.join(" "));
    await graph.store.create("img2:1", { name: "new" });
    const folder = await graph.store.mount("new");
    assert.equal(readFileSync(join(folder, "etc/x"), "utf8"), "hi\n");
    await graph.store.umount("new");
    assert.deepEqual([...(await graph.devices.check()), ...(await graph.store.check())], []);
  });

  test("done again it adds nothing, and takes another backup", async (t) => {
    const { dataRoot, use } = adopted(t);
    const first = await openDockerGraph(dataRoot, { deviceMapper });
    const second = await openDockerGraph(dataRoot, { deviceMapper });
    assert.notEqual(second.backup, first.backup);
    assert.deepEqual(second.problems, []);
    assert.equal((await (await use()).store.containers()).length, 2);
    // Also while it runs.
    const third = await openDockerGraph(dataRoot, { deviceMapper });
    assert.deepEqual(third.leftOut, []);
    assert.ok(existsSync(join(third.backup, "pool-metadata")));
  });

  for (const [name, containers] of [
    ["xfs", 3],
    ["many-containers", 4],
    ["deferred-deleted", 2],
    ["interrupted", 2],
  ] as const satisfies [DockerGraphName, number][]) {
    test(`${name}: what Docker left is settled, and every change is what Docker told`, async (t) => {
      const facts = dockerGraphFacts(name);
      const { dataRoot, use } = adopted(t, name);
      const opened = await openDockerGraph(dataRoot, { deviceMapper });
      assert.deepEqual([opened.leftOut, opened.problems], [[], []]);
      const { store, devices } = await use();
      assert.deepEqual(
        (await store.images()).map(({ id }) => id).sort(),
        [...new Set(facts.images.map(({ ID }) => ID))].sort(),
      );
      assert.deepEqual(
        (await store.containers()).map((each) => each.name).sort(),
        facts.ps.map(({ Names }) => Names).sort(),
      );
      for (const { Names } of facts.ps.slice(0, containers)) {
        const told = facts[`diff-${Names}`] as string[] | undefined;
        const changes = (await store.diff(Names)).map(({ kind, path }) => `${kind} ${path}`);
        if (told !== undefined) assert.deepEqual(changes.sort(), [...told].sort(), Names);
      }
      assert.deepEqual(
        (await devices.devices()).filter(({ deleted }) => deleted),
        [],
      );
    });
  }

  test("images of Docker 1.9 get the IDs of the upgrade to 1.10, and their containers' changes are Docker's", async (t) => {
    const { dataRoot, use } = adopted(t);
    turnIntoV1(dataRoot);
    const opened = await openDockerGraph(dataRoot, { deviceMapper });
    assert.deepEqual({ ...opened, root: "", backup: "" }, {
      root: "", backup: "", images: ["base:1", "img2:1"], containers: ["c1"], leftOut: [], problems: [],
    }); // prettier-ignore
    const { store } = await use();
    const lines = (await store.diff("c1")).map(({ kind, path }) => `${kind} ${path}`);
    assert.deepEqual(lines, fixture.diffC1);
    const archive = join(dataRoot, "img2.tar");
    await store.save("img2:1", archive);
    assert.match(execFileSync("tar", ["-tf", archive], { encoding: "utf8" }), new RegExp(fixture.img2Layer.slice(7)));
    const again = await openDockerGraph(dataRoot, { deviceMapper });
    assert.deepEqual([again.images, again.containers, again.leftOut], [["base:1", "img2:1"], ["c1"], []]);
  });

  describe("what could lose something is refused, and changes nothing", () => {
    let refused: (dataRoot: string, expected: object) => Promise<void>;
    before(() => {
      refused = async (dataRoot, expected) => {
        // But for the lock that it takes.
        const stamps = (): [string, string][] =>
          [...stampsOf(dataRoot)].filter(([name]) => !/^devicemapper(\/lock)?$/.test(name));
        const earlier = stamps();
        await assert.rejects(openDockerGraph(dataRoot, { deviceMapper }), expected);
        assert.deepEqual(stamps(), earlier);
      };
    });

    test("damaged metadata", async (t) => {
      const { dataRoot } = adopted(t);
      const path = metadataOf(dataRoot);
      garble(path, wordAt(path, 0, 320)); // the root of the tree of devices
      await refused(dataRoot, { code: "EDAMAGED", message: /Nothing was changed.*thin_repair -i / });
    });

    test("a device that no file names, and one that the pool has not; told to go on, it goes on", async (t) => {
      const { dataRoot, root } = adopted(t);
      const file = join(root, "metadata", fixture.c2Device);
      const text = readFileSync(file, "utf8");
      rmSync(file);
      await refused(dataRoot, { code: "EINVAL", message: /device id 7 is in the pool.*--accept-losses/ });
      writeFileSync(file, text);
      const metadata = ThinMetadata.open(metadataOf(dataRoot));
      metadata.deleteThin(7);
      metadata.commit(() => undefined);
      metadata.close();
      await refused(dataRoot, { code: "EINVAL", message: /container c2 is not in the pool/ });
      const opened = await openDockerGraph(dataRoot, { deviceMapper, acceptLosses: true });
      assert.deepEqual(opened.containers, ["c1"]);
      assert.match(opened.leftOut.join(), /c2/);
    });

    test("a folder without a graph", async () => {
      await assert.rejects(openDockerGraph(runDir, { deviceMapper }), { code: "NO_DOCKER_GRAPH" });
    });
  });
});
