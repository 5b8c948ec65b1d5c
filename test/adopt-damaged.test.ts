import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { exportDockerGraph } from "../src/adopt/adopt.ts";
import type { ExportResult } from "../src/adopt/export.ts";
import type { GraphInspection } from "../src/adopt/inspect.ts";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { Block } from "../src/persistent-data/block.ts";
import { childAt, entryCount } from "../src/persistent-data/btree-node.ts";
import { openBlockFile } from "../src/persistent-data/block-file.ts";
import { ThinMetadata } from "../src/thin/metadata.ts";
import {
  adopt,
  adoptJson,
  dockerGraph,
  editJson,
  fixture,
  garble,
  metadataOf,
  stampsOf,
  wordAt,
} from "./adopt-support.ts";

const layerdb = "image/devicemapper/layerdb";
const mappingRootOffset = 320;
const detailsRootOffset = 328;

/** A leaf of a device's mapping tree: its first, or its last. */
function leafOf(metadata: string, deviceId: number, which: "first" | "last"): number {
  const pool = ThinMetadata.open(metadata, { readOnly: true });
  const root = pool.mappingRootOf(deviceId);
  pool.close();
  const file = openBlockFile(metadata, { readOnly: true });
  const block = new Block(root);
  file.read(root, block.bytes);
  file.close();
  return childAt(block.words, which === "first" ? 0 : entryCount(block.words) - 1);
}

async function exportAll(t: TestContext, dataRoot: string, status: number): Promise<ExportResult & GraphInspection> {
  return adoptJson(status, "export", dataRoot, "--to", join(scratchFolder(t), "all"));
}

function matching(problems: string[], pattern: RegExp): string[] {
  return problems.filter((problem) => pattern.test(problem));
}

suite("damaged pool metadata is repaired into a copy", () => {
  const wholesale: { what: string; damage: (metadata: string) => void; note: RegExp }[] = [
    {
      what: "the superblock is zeroed",
      damage: (metadata) => {
        const bytes = readFileSync(metadata);
        bytes.fill(0, 0, 4096);
        writeFileSync(metadata, bytes);
      },
      note: /^Repaired: the superblock is lost/,
    },
    {
      what: "the superblock is garbled",
      damage: (metadata) => garble(metadata, 0),
      note: /^Repaired: the superblock is lost/,
    },
    {
      what: "the root of all mappings is garbled",
      damage: (metadata) => garble(metadata, wordAt(metadata, 0, mappingRootOffset)),
      note: /^Repaired: the root of a tree is lost/,
    },
    {
      what: "the root of the devices' details is garbled",
      damage: (metadata) => garble(metadata, wordAt(metadata, 0, detailsRootOffset)),
      note: /^Repaired: the root of a tree is lost/,
    },
  ];
  for (const { what, damage, note } of wholesale) {
    test(`${what}: all is found again`, async (t) => {
      const dataRoot = dockerGraph(t);
      damage(metadataOf(dataRoot));
      const before = stampsOf(dataRoot);
      const { problems, pool } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
      assert.equal(matching(problems, /^The pool's metadata is damaged: /).length > 0, true);
      assert.equal(matching(problems, note).length, 1, problems.join("\n"));
      assert.equal(pool?.repaired, true);
      assert.equal(pool.transactionId, 7);
      const { exported, failed } = await exportAll(t, dataRoot, 0);
      assert.deepEqual(failed, []);
      assert.deepEqual([exported[0].id, exported[1].id], [fixture.img2, fixture.base]);
      const diff = await adopt("diff", dataRoot, "c1");
      assert.deepEqual(diff.stdout.trim().split("\n"), fixture.diffC1);
      assert.deepEqual(stampsOf(dataRoot), before);
    });
  }

  test("a leaf of one container is lost: it is named, and the rest is whole", async (t) => {
    const dataRoot = dockerGraph(t);
    const metadata = metadataOf(dataRoot);
    garble(metadata, leafOf(metadata, 7, "first"));
    const before = stampsOf(dataRoot);
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.equal(matching(problems, /^Lost: [\d.]+ MB of container c2$/).length, 1, problems.join("\n"));
    assert.equal(matching(problems, /^Lost: /).length, 1);
    const { exported, failed } = await exportAll(t, dataRoot, 1);
    assert.deepEqual(
      exported.map(({ name }) => name),
      ["img2:1", "base:1", "c1"],
    );
    assert.deepEqual(
      failed.map(({ name }) => name),
      ["c2"],
    );
    assert.deepEqual(stampsOf(dataRoot), before);
  });

  test("a leaf that all devices share is lost: every loser is named", async (t) => {
    const dataRoot = dockerGraph(t);
    const metadata = metadataOf(dataRoot);
    const shared = leafOf(metadata, 1, "last");
    garble(metadata, shared);
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    const lost = matching(problems, /^Lost: /).join("\n");
    assert.match(lost, /of the base device$/m);
  });

  test("metadata that is beyond repair: files are still told of, and an export says what fails", async (t) => {
    const dataRoot = dockerGraph(t);
    writeFileSync(metadataOf(dataRoot), Buffer.alloc(1 << 20, 7));
    const { problems, images, pool } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.equal(pool, null);
    assert.equal(images.length, 2);
    assert.equal(matching(problems, /no trees of a pool were found in it/).length, 1);
    const { failed } = await exportAll(t, dataRoot, 1);
    assert.equal(failed.length, 4);
  });
});

suite("damaged files of the graph are told by name, and hide nothing else", () => {
  const damages: { what: string; damage: (dataRoot: string) => void; told: RegExp; failed: string[] }[] = [
    {
      what: "a container's configuration is cut short",
      damage: (root) => truncateSync(join(root, "containers", fixture.c1, "config.v2.json"), 100),
      told: new RegExp(`^Container ${fixture.c1}: .*is damaged: it is not JSON$`),
      failed: [],
    },
    {
      what: "an image's configuration was changed",
      damage: (root) => {
        const path = join(root, "image/devicemapper/imagedb/content/sha256", fixture.img2.slice(7));
        writeFileSync(path, readFileSync(path, "utf8").replace("linux", "minix"));
      },
      told: /^Image img2:1 \(sha256:0c60.*is damaged: it does not have that digest$/,
      failed: [],
    },
    {
      what: "a layer has no cache-id",
      damage: (root) => rmSync(join(root, layerdb, "sha256", fixture.img2Chain.slice(7), "cache-id")),
      told: /^Image img2:1 .*1 of its 2 layers is missing or damaged: sha256:98c3/,
      failed: ["img2:1", "c2"],
    },
    {
      what: "the names of images are not JSON",
      damage: (root) => writeFileSync(join(root, "image/devicemapper/repositories.json"), ""),
      told: /^The images' names: .*it is empty$/,
      failed: [],
    },
    {
      what: "a device's file is gone",
      damage: (root) => rmSync(join(root, "devicemapper/metadata", fixture.img2Device)),
      told: /^Device id 5 in the pool .* belongs to no device of the graph/,
      failed: ["img2:1", "c2"],
    },
    {
      what: "a container's mount-id is gone",
      damage: (root) => rmSync(join(root, layerdb, "mounts", fixture.c1, "mount-id")),
      told: /^Container c1 .*mount-id' is missing$/,
      failed: ["c1"],
    },
    {
      what: "a layer's tar-split is gone",
      damage: (root) => rmSync(join(root, layerdb, "sha256", fixture.img2Chain.slice(7), "tar-split.json.gz")),
      told: /^$/,
      failed: ["img2:1", "c2"],
    },
    {
      what: "a layer does not come out as it was",
      damage: (root) => {
        const path = join(root, layerdb, "sha256", fixture.img2Chain.slice(7), "tar-split.json.gz");
        writeFileSync(
          path,
          gzipSync(
            gunzipSync(readFileSync(path))
              .toString()
              .replace(/("payload":")./, "$1Y"),
          ),
        );
      },
      told: /^$/,
      failed: ["img2:1", "c2"],
    },
  ];
  for (const { what, damage, told, failed } of damages) {
    test(what, async (t) => {
      const dataRoot = dockerGraph(t);
      damage(dataRoot);
      const { problems, containers, images } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
      if (told.source !== "^$") assert.equal(matching(problems, told).length > 0, true, problems.join("\n"));
      assert.ok(containers.length + images.length >= 3);
      const result = await exportAll(t, dataRoot, failed.length === 0 ? 0 : 1);
      assert.deepEqual(
        result.failed.map(({ name }) => name),
        failed,
      );
      assert.ok(result.exported.some(({ id }) => id === fixture.base));
    });
  }

  test("an interrupted export leaves nothing behind", async (t) => {
    const dataRoot = dockerGraph(t);
    const folder = scratchFolder(t);
    for (const to of [join(folder, "all"), `docker-archive:${join(folder, "all.tar")}`]) {
      const controller = new AbortController();
      await assert.rejects(
        exportDockerGraph(dataRoot, [], {
          to,
          signal: controller.signal,
          progress: () => controller.abort(new Error("Interrupted")),
        }),
        /Interrupted/,
      );
      assert.deepEqual(readdirSync(folder), []);
    }
  });
});

suite("what Docker was in the midst of", () => {
  test("a device that waited to be deleted", async (t) => {
    const dataRoot = dockerGraph(t);
    editJson(join(dataRoot, "devicemapper/metadata", fixture.c1Device), (file) => (file.deleted = true));
    const { pool, problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.deepEqual(pool?.deferredDeleted, [fixture.c1Device]);
    assert.deepEqual(problems, []);
  });

  test("a transaction that was begun and not completed", async (t) => {
    const dataRoot = dockerGraph(t);
    editJson(join(dataRoot, "devicemapper/metadata/transaction-metadata"), (file) => (file.open_transaction_id = 8));
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.deepEqual(problems, [
      "Docker was interrupted while it made or deleted container c2 (device id 7): transaction 8 was begun, and the pool is at 7. " +
        "Docker's next start would delete that device",
    ]);
  });

  test("files that are older than the pool", async (t) => {
    const dataRoot = dockerGraph(t);
    editJson(join(dataRoot, "devicemapper/metadata/transaction-metadata"), (file) => (file.open_transaction_id = 5));
    rmSync(join(dataRoot, "devicemapper/metadata", fixture.c2Device));
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.equal(matching(problems, /tell of transaction 5, and the pool is at 7: the files are older/).length, 1);
    assert.equal(matching(problems, /^Device id 7 in the pool .*cannot be named$/).length, 1);
  });

  test("a device that has a file and is not in the pool", async (t) => {
    const dataRoot = dockerGraph(t);
    editJson(join(dataRoot, "devicemapper/metadata", fixture.c1Device), (file) => (file.device_id = 44));
    const { problems } = await adoptJson<GraphInspection>(0, "inspect", dataRoot);
    assert.equal(
      matching(problems, /^Container c1 \(device id 44\) is not in the pool: its files are lost$/).length,
      1,
    );
    const { failed } = await exportAll(t, dataRoot, 1);
    assert.match(failed[0].reason, /thin device 44/);
  });
});
