import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { describeTree } from "../file-system/testing/describe-tree.ts";
import { openImageStore } from "./image-store.ts";
import type { Store } from "./store.ts";
import type { FolderDevices } from "./testing/folder-devices.ts";
import { makeImage, writeOciLayout } from "./testing/make-images.ts";
import type { TreeNode } from "./types.ts";
import { openFolderStore } from "./testing/open-folder-store.ts";

const skip = process.getuid?.() === 0 ? false : "needs root: unpacking is confined by chroot";
const skipSkopeo = skip || (spawnSync("skopeo", ["--version"]).error === undefined ? false : "needs skopeo");

const image = makeImage([
  {
    entries: [
      { name: "bin/sh", content: "shell", mode: 0o755 },
      { name: "etc/motd", content: "base" },
    ],
  },
  { entries: [{ name: "app", content: "app" }], compression: "gzip" },
]);

async function withImage(t: TestContext): Promise<{ store: Store; devices: FolderDevices; top: string }> {
  const opened = await openFolderStore(t);
  await opened.store.import("app:1", writeOciLayout(join(opened.top, "oci"), [image]));
  return opened;
}

/** A container of the image with a file more, one less, and one changed. */
async function changedContainer(store: Store): Promise<string> {
  await store.create("app:1", { name: "web" });
  const path = await store.mount("web");
  writeFileSync(join(path, "new"), "new");
  writeFileSync(join(path, "etc", "motd"), "changed");
  rmSync(join(path, "app"));
  return path;
}

test("containers have names and IDs, and are found by either or the start of an ID", { skip }, async (t) => {
  const { store } = await withImage(t);
  const web = await store.create("app:1", { name: "web" });
  const unnamed = await store.create(image.id);
  assert.match(web.id, /^[0-9a-f]{64}$/);
  assert.equal(unnamed.name, unnamed.id.slice(0, 12));
  for (const name of ["web", web.id, web.id.slice(0, 10)]) assert.equal((await store.container(name)).id, web.id);
  const listed = await store.containers();
  assert.deepEqual(listed.map(({ name }) => name).sort(), [unnamed.name, "web"].sort());
  const found = listed.find(({ name }) => name === "web");
  assert.deepEqual(
    { ...found, created: undefined },
    {
      id: web.id,
      name: "web",
      imageId: image.id,
      image: "app:1",
      created: undefined,
      device: web.id,
      sizeBytes: undefined,
      mountPoint: undefined,
      snapshot: undefined,
      imageMissing: false,
    },
  );
  await assert.rejects(store.create("app:1", { name: "web" }), { code: "exists", message: /has that name/ });
  await assert.rejects(store.create("app:1", { name: "../web" }), { code: "invalid" });
  await assert.rejects(store.create("nothing"), {
    code: "not-found",
    message: "Cannot find image 'nothing': there is none of that name or ID",
  });
  await assert.rejects(store.container("nothing"), { code: "not-found" });
  await assert.rejects(store.container("../../etc"), { code: "not-found" });
  await assert.rejects(store.image("SHA256:nonsense"), { code: "not-found" });
});

test("the start of several IDs is ambiguous, and a name goes before it", { skip }, async (t) => {
  const { store } = await withImage(t);
  const ids = [];
  for (let count = 0; count < 17; count++) ids.push((await store.create("app:1")).id);
  const first = ids.map((id) => id[0]).find((digit, index, all) => all.indexOf(digit) !== index)!;
  await assert.rejects(store.container(first), {
    code: "ambiguous",
    message: new RegExp(`which container '${first}' is: [0-9a-f]{64}, `),
  });
  const { id } = await store.create("app:1", { name: first });
  assert.equal((await store.container(first)).id, id);
});

test("of containers made at once with one name, one is made", { skip }, async (t) => {
  const { store, devices } = await withImage(t);
  const made = await Promise.allSettled([1, 2, 3].map(() => store.create("app:1", { name: "web" })));
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 1);
  assert.equal(devices.ids().length, 3);
});

test("mounting, unmounting, removing", { skip }, async (t) => {
  const { store, devices } = await withImage(t);
  const { id } = await store.create("app:1", { name: "web" });
  const path = await store.mount("web");
  assert.equal(await store.mount("web"), path);
  assert.equal((await store.container("web")).mountPoint, path);
  await assert.rejects(store.removeContainer("web"), {
    code: "in-use",
    message: /container web: it is mounted on .*unmount it first/,
  });
  await store.umount("web");
  await assert.rejects(store.umount("web"), {
    code: "invalid",
    message: "Cannot unmount container web: it is not mounted",
  });
  await store.removeContainer("web");
  assert.equal(await devices.exists(id), false);
  await assert.rejects(store.container("web"), { code: "not-found" });
  await store.create("app:1", { name: "web" });
});

test("an image in use is not removed; with the last that needs them its layers go", { skip }, async (t) => {
  const { store, devices, top } = await withImage(t);
  const base = makeImage([
    {
      entries: [
        { name: "bin/sh", content: "shell", mode: 0o755 },
        { name: "etc/motd", content: "base" },
      ],
    },
  ]);
  await store.import("base", writeOciLayout(join(top, "base"), [base]));
  await store.import("again", writeOciLayout(join(top, "oci2"), [image]));
  await store.create("app:1", { name: "web" });
  assert.deepEqual(await store.removeImage("again"), { untagged: ["again:latest"], deleted: [] });
  await assert.rejects(store.removeImage("app:1"), {
    code: "in-use",
    message: /container web stands on it; remove it first/,
  });
  await store.removeContainer("web");
  const { untagged, deleted } = await store.removeImage(image.id.slice(0, 20));
  assert.ok(untagged.includes("app:1"));
  assert.deepEqual(deleted, [
    image.id,
    (await import("./digest.ts")).chainIds(image.layers.map(({ diffId }) => diffId))[1],
  ]);
  assert.equal(devices.ids().length, 1);
  await store.removeImage("base");
  assert.deepEqual(devices.ids(), []);
  assert.deepEqual(readdirSync(join(top, "graph", "image", "layers")), []);
  assert.deepEqual(await store.check(), []);
});

test("a container's changes are listed and committed, also while it is mounted", { skip }, async (t) => {
  const { store, devices } = await withImage(t);
  const path = await changedContainer(store);
  assert.deepEqual(
    (await store.diff("web")).map(({ kind, path }) => `${kind} ${path}`),
    ["D /app", "C /etc", "C /etc/motd", "A /new"],
  );
  const { id } = await store.commit("web", "app:2");
  assert.equal(devices.mounts.size, 1, "only the container is still mounted");
  const committed = await store.image("app:2");
  assert.equal(committed.id, id);
  assert.equal(committed.layers.length, 3);
  await store.create("app:2", { name: "copy" });
  const copy = await store.mount("copy");
  assert.deepEqual(describeTree(copy), describeTree(path));
  assert.deepEqual(await store.diff("copy"), []);
  const config = JSON.parse(
    readFileSync(join(devices.root, "image", "images", `${id.slice(7)}.json`), "utf8"),
  ) as Record<string, unknown>;
  assert.deepEqual(config.config, { Cmd: ["/bin/sh"], Labels: { test: "yes" } });
  assert.deepEqual(config["vendor.extension"], { kept: true });
  assert.equal((config.history as unknown[]).length, 3);
});

test("two commits of the same state share their layer", { skip }, async (t) => {
  const { store, devices } = await withImage(t);
  await changedContainer(store);
  await store.commit("web", "app:2");
  const before = devices.ids().length;
  await store.commit("web", "app:3");
  assert.equal(devices.ids().length, before);
});

test("a container is exported whole", { skip }, async (t) => {
  const { store, devices, top } = await withImage(t);
  const path = await changedContainer(store);
  for (const mounted of [true, false]) {
    if (!mounted) await store.umount("web");
    await store.export("web", createWriteStream(join(top, "exported.tar")));
    const target = join(top, `exported-${mounted}`);
    mkdirSync(target);
    execFileSync("tar", ["-xf", join(top, "exported.tar"), "-C", target]);
    assert.deepEqual(describeTree(target), describeTree(path));
  }
  assert.equal(devices.ids().length, 3);
  assert.equal(devices.mounts.size, 0);
  assert.deepEqual(readdirSync(join(top, "graph", "image", "pending")), []);
});

test("an export whose reader goes away ends, and nothing stays mounted", { skip }, async (t) => {
  const { store, devices } = await withImage(t);
  await changedContainer(store);
  const closing = new Writable({ write: (_chunk, _encoding, done) => done(new Error("reader is gone")) });
  await assert.rejects(store.export("web", closing), { message: "reader is gone" });
  assert.equal(devices.mounts.size, 1);
  assert.equal(devices.ids().length, 3);
});

test("a saved image is what it was, to skopeo and to an import", { skip: skipSkopeo }, async (t) => {
  const { store, top } = await withImage(t);
  await changedContainer(store);
  const committed = await store.commit("web", "registry.example:5000/team/app:2");
  const file = join(top, "saved.tar");
  for (const [name, id] of [
    ["app:1", image.id],
    ["registry.example:5000/team/app:2", committed.id],
  ] as const) {
    await store.save(name, file);
    const { Layers } = JSON.parse(execFileSync("skopeo", ["inspect", `oci-archive:${file}`]).toString()) as {
      Layers: string[];
    };
    assert.equal(Layers.length, name === "app:1" ? 2 : 3);
    for (const form of ["docker-archive", "oci-archive"]) {
      const copied = join(top, `${form}-${id.slice(7, 12)}.tar`);
      execFileSync("skopeo", ["copy", "--quiet", `${form}:${file}`, `${form}:${copied}`]);
      const other = await openFolderStore(t);
      const config = execFileSync("skopeo", ["inspect", "--config", "--raw", `${form}:${file}`]);
      assert.equal(`sha256:${execFileSync("sha256sum", { input: config }).toString().slice(0, 64)}`, id);
      await other.store.import("copied", copied);
      await other.store.import("direct", file);
      assert.equal((await other.store.image("direct")).id, id);
      assert.deepEqual((await other.store.image("copied")).layers, (await store.image(name)).layers);
    }
    rmSync(file);
  }
  assert.deepEqual(
    readdirSync(top).filter((name) => name.includes("partial")),
    [],
  );
});

test("a save that fails leaves no file, and says why", { skip }, async (t) => {
  const { store, devices, top } = await withImage(t);
  const layer = devices.ids().find((id) => existsSync(join(devices.root, "devices", id, "rootfs", "app")))!;
  writeFileSync(join(devices.root, "devices", layer, "rootfs", "app"), "APP");
  await assert.rejects(store.save("app:1", join(top, "saved.tar")), {
    code: "damaged",
    message: /are not as they were/,
  });
  assert.deepEqual(readdirSync(top).sort(), ["graph", "oci"]);
  await assert.rejects(store.save("app:1", join(top, "no", "such", "folder")), { code: "ENOENT" });
});

test("the tree shows what stands on what", { skip }, async (t) => {
  const { store } = await withImage(t);
  await store.create("app:1", { name: "web" });
  const tree = await store.tree();
  assert.equal(tree.kind, "base");
  const [bottom] = tree.children;
  const [upper] = bottom.children;
  assert.deepEqual(upper.names, ["app:1"]);
  assert.deepEqual(
    upper.children.map(({ kind, names }) => [kind, names]),
    [["container", ["web"]]],
  );
  assert.deepEqual([bottom.mappedBytes, bottom.exclusiveBytes, bottom.sharedBytes], [131072, 65536, 65536]);
});

test("what is missing is found by the check", { skip }, async (t) => {
  const { store, devices, top } = await withImage(t);
  const { id } = await store.create("app:1", { name: "web" });
  for (const each of devices.ids()) await devices.remove(each);
  const problems = await store.check();
  assert.equal(problems.length, 3);
  assert.match(problems.join("\n"), new RegExp(`Container web has no device: ${id}`));
  await store.removeContainer("web");
  rmSync(join(top, "graph", "image", "images"), { recursive: true });
  mkdirSync(join(top, "graph", "image", "images"));
  assert.match((await store.check()).join("\n"), /Name app:1 leads to image sha256:.* which is missing/);
});

test("a failing device operation leaves nothing, whichever it is", { skip }, async (t) => {
  const { store, devices, top } = await openFolderStore(t);
  const layout = writeOciLayout(join(top, "oci"), [image]);
  for (const operation of ["create", "get", "put"]) {
    for (const failing of [1, 2]) {
      let left = failing;
      devices.beforeEach = (each) => {
        if (each === operation && --left === 0) throw new Error("the pool is on fire");
      };
      await assert.rejects(store.import("app", layout), { message: "the pool is on fire" });
      devices.beforeEach = () => undefined;
      devices.mounts.clear();
      assert.deepEqual(devices.ids(), [], `${operation} ${failing}`);
      assert.deepEqual(
        ["pending", "tmp", "layers"].flatMap((each) => readdirSync(join(top, "graph", "image", each))),
        [],
      );
    }
  }
});

test("killed at any step, the next opening finds all well", { skip, timeout: 300_000 }, async (t) => {
  const { top } = await openFolderStore(t);
  const layout = writeOciLayout(join(top, "oci"), [image]);
  const program = fileURLToPath(new URL("testing/import-and-die.ts", import.meta.url));
  const counts = { create: 4, get: 5, put: 5, remove: 4 };
  for (const [operation, times] of Object.entries(counts)) {
    for (let count = 1; count <= times; count++) {
      await t.test(`${operation} ${count}`, async (inner) => {
        const { devices } = await openFolderStore(inner);
        const result = spawnSync(process.execPath, [
          "--import",
          "tsx",
          program,
          devices.root,
          layout,
          operation,
          String(count),
        ]);
        if (result.signal === null && result.status === 0) {
          inner.skip("the work was over before");
          return;
        }
        assert.equal(result.signal, "SIGKILL", result.stderr.toString());
        const store = await openImageStore(devices);
        assert.deepEqual(await store.check(), []);
        const known = new Set(treeDevices(await store.tree()));
        assert.deepEqual(
          devices.ids().filter((id) => !known.has(id)),
          [],
        );
        assert.deepEqual(
          ["pending", "tmp"].flatMap((each) => readdirSync(join(devices.root, "image", each))),
          [],
        );
        await store.import("app", layout);
        for (const { id } of await store.containers()) await store.removeContainer(id);
        for (const { id } of await store.images()) await store.removeImage(id);
        assert.deepEqual(devices.ids(), []);
      });
    }
  }
});

function treeDevices(node: TreeNode): string[] {
  return [node.device, ...node.children.flatMap(treeDevices)];
}
