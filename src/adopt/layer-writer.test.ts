import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { StoredContainer } from "../docker-graph/containers.ts";
import { MountedFolder } from "../file-system/mounted-folder.ts";
import { scratchFolder } from "../graph/testing/scratch-folder.ts";
import { LayerWriter } from "./layer-writer.ts";
import type { RootfsSource } from "./rootfs.ts";
import { openTarget } from "./target/export-target.ts";

const container: StoredContainer = {
  id: "1".repeat(64),
  name: "web",
  imageId: "",
  image: "",
  created: undefined,
  command: [],
  state: "exited",
  exitCode: 0,
  os: undefined,
  config: {},
  mount: { device: "own", initDevice: "init", parent: undefined },
};

/** Two folders as devices, of which "own" cannot be read whole. */
function damagedSource(folder: string, unreadable: (whenLost: string) => boolean): RootfsSource {
  for (const name of ["own", "init"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "own", "data"), "data");
  return {
    rootfs(device, whenLost) {
      if (device === "own" && unreadable(whenLost)) {
        return Promise.reject(Object.assign(new Error(`Cannot read block 5 (${whenLost})`), { code: "EIO" }));
      }
      const top = MountedFolder.top(join(folder, device));
      return Promise.resolve({
        top,
        close: () => {
          top.close();
          return Promise.resolve();
        },
      });
    },
  };
}

test("of a container what is left is written, and what is lost is told", async (t) => {
  const folder = scratchFolder(t);
  const target = openTarget({ kind: "folder", path: join(folder, "out") });
  const writer = new LayerWriter(
    damagedSource(folder, (whenLost) => whenLost === "fail"),
    target,
    undefined,
  );
  const { layer, damage } = await writer.container(container, undefined, () => undefined);
  assert.match(damage ?? "", /zeroes are in its place: Cannot read block 5 \(fail\)$/);
  target.finish([]);
  assert.ok(existsSync(join(folder, "out/blobs/sha256", layer.diffId.slice(7))));
});

test("where not even that can be read, the loss is the reason, and nothing stays behind", async (t) => {
  const folder = scratchFolder(t);
  const target = openTarget({ kind: "archive", path: join(folder, "out.tar") });
  const writer = new LayerWriter(
    damagedSource(folder, () => true),
    target,
    undefined,
  );
  await assert.rejects(
    writer.container(container, undefined, () => undefined),
    /Cannot read block 5 \(fail\)$/,
  );
  target.abandon();
  assert.deepEqual(readdirSync(folder).sort(), ["init", "own"]);
});
