import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { lacksRequirement, micaCommand, outcomeOf, run, scratchGraph, smallImage } from "./cli-support.ts";
import type { Outcome, Scratch } from "./cli-support.ts";
import { servedGraph } from "./served-graph.ts";
import { userspaceDeviceMapper } from "../src/device-mapper/userspace/userspace-device-mapper.ts";
import { openDeviceSet } from "../src/graph/graph.ts";
import type { ListedDevice } from "../src/cli/device-index.ts";
import type { Change, ImageSummary, TreeNode } from "../src/index.ts";

async function fails(scratch: Scratch, ...args: string[]): Promise<string> {
  const { status, stderr } = await scratch.mica(...args);
  assert.equal(status, 1, `mica ${args.join(" ")} ended with ${status ?? "?"}: ${stderr}`);
  assert.match(stderr, /^mica: Cannot /);
  return stderr;
}

async function withImage(scratch: Scratch): Promise<string> {
  return scratch.ok("import", "app", await smallImage(scratch.folder));
}

/** With `end`, which stops everything. */
type Ended = Scratch & { end: () => Promise<unknown> };

/** Commands do their work themselves, or have the graph's daemon do it: nobody is to notice. */
const ways: [way: string, make: (t: TestContext) => Promise<Ended>][] = [
  [
    "by itself",
    (t) => {
      const scratch = scratchGraph(t);
      return Promise.resolve({ ...scratch, end: () => scratch.ok("shutdown") });
    },
  ],
  [
    "through its daemon",
    async (t) => {
      const served = await servedGraph(t);
      const end = async () => {
        await served.daemon.stop();
        return served.ok("shutdown");
      };
      return { ...served, end };
    },
  ],
];

for (const [way, make] of ways) {
  suite(`mica on a graph, ${way}`, () => {
    test("the whole way: import, create, mount, write, diff, commit, export, save, rm, rmi, shutdown", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      const { ok, json } = scratch;

      const imageId = await withImage(scratch);
      assert.match(imageId, /^sha256:[0-9a-f]{64}$/);
      const containerId = await ok("create", "app", "web");
      assert.match(containerId, /^[0-9a-f]{64}$/);
      const rootFolder = await ok("mount", "web");
      assert.ok(rootFolder.startsWith(join(scratch.root, "mnt")));
      assert.ok(rootFolder.endsWith("/rootfs"));
      assert.equal(await ok("mount", "web"), rootFolder, "a second mount says where it is");
      assert.equal(readFileSync(join(rootFolder, "etc/name"), "utf8"), "upper\n");
      assert.equal(existsSync(join(rootFolder, "etc/gone")), false, "the upper layer deleted it");

      assert.equal(await ok("diff", "web"), "");
      writeFileSync(join(rootFolder, "etc/name"), "mine\n");
      mkdirSync(join(rootFolder, "srv"));
      writeFileSync(join(rootFolder, "srv/added"), "added\n");
      rmSync(join(rootFolder, "etc/new"));
      const changes = ["C /etc", "C /etc/name", "D /etc/new", "A /srv", "A /srv/added"];
      assert.deepEqual((await ok("diff", "web")).split("\n").sort(), [...changes].sort());

      await fails(scratch, "rm", "web");
      const commitId = await ok("commit", "web", "app:2");
      assert.match(commitId, /^sha256:/);
      await ok("umount", "web");
      assert.match(await fails(scratch, "umount", "web"), /not mounted/);
      assert.deepEqual((await ok("diff", "web")).split("\n").sort(), [...changes].sort(), "unmounted, the same");

      const tar = join(scratch.folder, "web.tar");
      await ok("export", "web", "--output", tar);
      const listed = (await run("tar", ["-tf", tar])).stdout.split("\n").map((name) => name.replace(/^\.?\//, ""));
      assert.ok(listed.includes("srv/added"));
      assert.ok(!listed.includes("etc/new"));

      const archive = join(scratch.folder, "app2.tar");
      await ok("save", "app:2", archive);
      const inspected = await run("skopeo", ["inspect", `oci-archive:${archive}`]);
      assert.equal(inspected.status, 0, inspected.stderr);
      assert.equal((JSON.parse(inspected.stdout) as { Layers: string[] }).Layers.length, 3);

      assert.match(await fails(scratch, "rmi", "app"), /web/);
      await ok("rm", "web");
      await ok("rmi", "app:2", "app");
      assert.deepEqual(await json<ImageSummary[]>("images"), []);
      assert.equal(await ok("import", "again", archive), commitId, "what was saved comes back as the same image");

      assert.equal(await ok("check"), "No problems found");
      assert.ok(scratch.leftovers().length > 0, "the pool outlives commands");
      await scratch.end();
      assert.deepEqual(scratch.leftovers(), []);
      assert.deepEqual((await json<ImageSummary[]>("images"))[0].references, ["again:latest"], "and comes back");
    });

    test("what the listings say, as tables and as JSON", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      const { ok, json } = scratch;
      const imageId = await withImage(scratch);
      const { id } = await json<{ id: string; name: string }>("create", "app", "web", "--size", "512M");
      await json("create", "app");
      const { path } = await json<{ path: string }>("mount", "web");

      const images = await json<ImageSummary[]>("images");
      assert.equal(images.length, 1);
      assert.equal(images[0].id, imageId);
      assert.equal(images[0].layers.length, 2);
      assert.match(await ok("images"), /^NAME +IMAGE ID +CREATED +LAYERS +SIZE\napp:latest +[0-9a-f]{12} /);

      const devices = await json<ListedDevice[]>("ls");
      assert.deepEqual(
        devices.map(({ kind }) => kind),
        ["base", "layer", "layer", "container", "container"],
      );
      const web = devices.find(({ names }) => names.includes("web"))!;
      assert.equal(web.id, id);
      assert.equal(web.sizeBytes, 512 * 2 ** 20);
      assert.equal(`${web.mountPoint ?? ""}/rootfs`.replace("/rootfs/rootfs", "/rootfs"), path);
      assert.equal(new Set(devices.map(({ deviceId }) => deviceId)).size, devices.length);
      const listing = await ok("ls");
      assert.match(listing, /^KIND +NAME +ID +DEVICE +SIZE +MAPPED +EXCLUSIVE +MOUNTED$/m);
      assert.match(listing, /^container +web +[0-9a-f]{12} +\d+ +536\.9 MB /m);

      const tree = await json<TreeNode>("tree");
      assert.equal(tree.kind, "base");
      const top = tree.children[0].children[0];
      assert.deepEqual(top.names, ["app:latest"]);
      assert.equal(top.children.length, 2);
      assert.match(
        await ok("tree"),
        /^base .*\n└─ layer .*\n {3}└─ layer [0-9a-f]{12} \[app:latest\].*\n {6}├─ container /m,
      );

      const status = await json<Record<string, unknown>>("status", "web");
      assert.equal(status.deviceId, web.deviceId);
      assert.equal(status.sizeBytes, web.sizeBytes);
      assert.match(String(status.blockDevice), /^\/dev\//);
      assert.equal(Number(status.mappedSectors) * 512, web.mappedBytes);
      for (const device of ["base", "app", id.slice(0, 10), web.device]) {
        assert.match(await ok("status", device), /^Device: .*\nDevice ID: \d+\nSize: \d+ bytes\nTransaction ID: \d+\n/);
      }

      const info = await json<Record<string, string>>("info");
      assert.match(info["Pool Name"], /^docker-\d+:\d+-\d+-pool$/);
      assert.equal(info["Pool Blocksize"], "65.54kB");
      assert.equal(info["Base Device Size"], "268.4MB");
      const lines = (await ok("info")).split("\n");
      assert.deepEqual(
        lines.map((line) => line.slice(0, line.indexOf(":"))),
        Object.keys(info),
      );
      assert.ok(lines.indexOf(`Pool Name: ${info["Pool Name"]}`) === 0);

      assert.deepEqual(await json("diff", "web"), [] satisfies Change[]);
      assert.deepEqual(await json("check"), { problems: [] });
    });

    test("block tells who wrote a block and who shares it", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      const { ok, json } = scratch;
      await withImage(scratch);
      await ok("create", "app", "web");
      await ok("create", "app", "other");
      interface Place {
        dataBlock: number | null;
        sharedBy: number;
        owners: string[];
        blockSizeBytes: number;
      }
      const before = await json<Place>("block", "web", "0");
      assert.equal(before.blockSizeBytes, 65536);
      assert.ok(before.sharedBy >= 2);
      assert.deepEqual((await json<Place>("block", "other", "0")).dataBlock, before.dataBlock);

      const blockDevice = await ok("attach", "web");
      assert.match(blockDevice, /^\/dev\//);
      const written = await run("dd", [
        `if=${blockDevice}`,
        `of=${blockDevice}`,
        "bs=4096",
        "count=1",
        "conv=notrunc,fsync",
      ]);
      assert.equal(written.status, 0, written.stderr);
      const after = await json<Place>("block", "web", "0");
      assert.notEqual(after.dataBlock, before.dataBlock, "the write broke the sharing");
      assert.equal(after.sharedBy, 1);
      assert.match(await ok("block", "web", "0"), /Written By: container web\nShared By: no other device$/);
      await ok("detach", "web");
      assert.equal((await json<ListedDevice[]>("ls")).find(({ names }) => names.includes("web"))!.blockDevice, null);

      assert.match(await ok("block", "web", "4000"), /reads as zeroes/);
      assert.match(await fails(scratch, "block", "web", "4096"), /4096/);
    });

    test("import reads standard input, plain tars, and streams on", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      await smallImage(scratch.folder);
      const packed = await run("tar", [
        "-C",
        join(scratch.folder, "lower"),
        "-czf",
        join(scratch.folder, "lower.tgz"),
        ".",
      ]);
      assert.equal(packed.status, 0);
      const imported = await outcomeOf(
        scratch.start("import", "piped", "-"),
        readFileSync(join(scratch.folder, "lower.tgz")),
      );
      assert.equal(imported.status, 0, imported.stderr);
      assert.equal(imported.stderr, "", "no progress where nobody watches");
      await scratch.ok("create", "piped", "one");

      const child = scratch.start("export", "one");
      child.stdout!.pipe(createWriteStream(join(scratch.folder, "one.tar")));
      const exported: Outcome = await outcomeOf(child);
      assert.equal(exported.status, 0, exported.stderr);
      assert.ok(statSync(join(scratch.folder, "one.tar")).size > 300_000);
    });

    test("rm and rmi go on after a name that fails, and give the space back", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      const { ok } = scratch;
      await withImage(scratch);
      await ok("create", "app", "one");
      await ok("create", "app", "two");
      const path = await ok("mount", "one");
      writeFileSync(join(path, "big"), Buffer.alloc(64 * 2 ** 20, "big"));
      await ok("umount", "one");
      const data = join(scratch.root, "devicemapper/data");
      const full = statSync(data).blocks;

      const outcome = await scratch.mica("rm", "one", "nobody", "two");
      assert.equal(outcome.status, 1);
      assert.equal(outcome.stdout, "one\ntwo\n");
      assert.match(outcome.stderr, /nobody/);
      await ok("check");
      assert.ok(full - statSync(data).blocks > (60 * 2 ** 20) / 512, "the host has its space back");
      assert.match(await fails(scratch, "rmi", "nothing"), /nothing/);
      assert.match(await ok("rmi", "app"), /untagged app:latest/);
    });

    test("storage options stay with the graph", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      await scratch.ok("info");
      await scratch.end();
      assert.equal((await scratch.json<Record<string, string>>("info"))["Base Device Size"], "268.4MB");
    });

    test("a reader that takes its time misses nothing", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      await scratch.ok("info");
      const devices = await openDeviceSet({
        root: scratch.root,
        deviceMapper: userspaceDeviceMapper({ runDir: scratch.runFolder }),
      });
      for (let n = 0; n < 300; n++) await devices.create(`device-${n}`);
      await devices.close();
      const env = { ...process.env, MICA_ROOT: scratch.root, MICA_RUN_DIR: scratch.runFolder };
      // More than a pipe holds, so that the command has to wait.
      const reader = ["-c", '"$0" "$1" ls --json | (sleep 1; cat)', process.execPath, micaCommand];
      const answer = await outcomeOf(spawn("sh", reader, { env }));
      assert.ok(answer.stdout.length > 2 ** 16);
      assert.equal((JSON.parse(answer.stdout) as unknown[]).length, 301);
    });

    test("a reader that goes away is no news", async (t) => {
      if (lacksRequirement(t)) return;
      const scratch = await make(t);
      await withImage(scratch);
      await scratch.ok("create", "app", "web");
      const child = scratch.start("export", "web");
      child.stdout!.destroy();
      const status = new Promise((resolve) => child.once("exit", resolve));
      const chunks: Buffer[] = [];
      child.stderr!.on("data", (chunk: Buffer) => chunks.push(chunk));
      assert.equal(await status, 141);
      assert.equal(Buffer.concat(chunks).toString(), "");
    });
  });
}
