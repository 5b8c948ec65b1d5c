import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { status } from "@grpc/grpc-js";
import { inKernel } from "../graph/testing/test-mapper.ts";
import { checkSnapshots, knownSnapshots } from "./known-snapshots.ts";
import { mounted, servedSnapshotter, type Mount } from "./testing/served-snapshotter.ts";

interface Info {
  name: string;
  parent: string;
  kind: string;
  labels: Record<string, string>;
}

const MiB = 2 ** 20;
/** Each takes its time in the kernel that tests boot. */
const many = inKernel ? 100 : 500;

test("a snapshot goes from empty to active to committed, and others begin as it", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client } = served;
  const prepared = await client.call<{ mounts: Mount[] }>("Prepare", { key: "a", parent: "", labels: { x: "1" } });
  assert.deepEqual(prepared.mounts[0].options, ["rw"]);
  await mounted(served, prepared, (folder) => {
    assert.deepEqual(readdirSync(folder), []);
    writeFileSync(join(folder, "file"), randomBytes(4 * MiB));
  });
  const { size } = await client.call<{ size: number }>("Usage", { key: "a" });
  assert.ok(size >= 4 * MiB && size < 7 * MiB, String(size));
  await client.call("Commit", { name: "layer", key: "a", labels: { y: "2" } });
  const { info } = await client.call<{ info: Info }>("Stat", { key: "layer" });
  assert.deepEqual([info.name, info.parent, info.kind, info.labels], ["layer", "", "COMMITTED", { y: "2" }]);
  assert.equal((await client.call<{ size: number }>("Usage", { key: "layer" })).size, size);

  const view = await client.call<{ mounts: Mount[] }>("View", { key: "v", parent: "layer" });
  assert.deepEqual(view.mounts[0].options, ["ro"]);
  await mounted(served, view, (folder) => {
    assert.equal(readFileSync(join(folder, "file")).length, 4 * MiB);
    assert.throws(() => writeFileSync(join(folder, "other"), ""), { code: "EROFS" });
  });
  const child = await client.call<{ mounts: Mount[] }>("Prepare", { key: "b", parent: "layer" });
  await mounted(served, child, (folder) => writeFileSync(join(folder, "file"), randomBytes(MiB), { flag: "r+" }));
  const added = (await client.call<{ size: number }>("Usage", { key: "b" })).size;
  assert.ok(added >= MiB && added < 3 * MiB, `what is written over counts: ${added}`);

  await assert.rejects(client.call("Remove", { key: "layer" }), {
    code: status.FAILED_PRECONDITION,
    message: /descend/,
  });
  for (const key of ["v", "b", "layer"]) await client.call("Remove", { key });
  assert.deepEqual(await served.snapshotDevices(), []);
  assert.deepEqual(await served.devices.check(), []);
});

test("what cannot be done is refused with the code that containerd expects, and changes nothing", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client } = served;
  await client.call("Prepare", { key: "a", parent: "" });
  await client.call("Commit", { name: "c", key: "a" });
  await client.call("Prepare", { key: "b", parent: "c" });
  await client.call("View", { key: "v", parent: "c" });
  const long = "x".repeat(4097);
  const refusals: [string, object, status][] = [
    ["Prepare", { key: "b", parent: "c" }, status.ALREADY_EXISTS],
    ["View", { key: "c", parent: "c" }, status.ALREADY_EXISTS],
    ["Prepare", { key: "n", parent: "none" }, status.NOT_FOUND],
    ["Prepare", { key: "n", parent: "b" }, status.INVALID_ARGUMENT],
    ["Prepare", { key: "", parent: "" }, status.INVALID_ARGUMENT],
    ["Prepare", { key: long, parent: "" }, status.INVALID_ARGUMENT],
    ["Prepare", { key: "n", parent: "", labels: { l: long } }, status.INVALID_ARGUMENT],
    ["Commit", { name: "c", key: "b" }, status.ALREADY_EXISTS],
    ["Commit", { name: "d", key: "none" }, status.NOT_FOUND],
    ["Commit", { name: "d", key: "v" }, status.FAILED_PRECONDITION],
    ["Commit", { name: "d", key: "c" }, status.FAILED_PRECONDITION],
    ["Mounts", { key: "c" }, status.FAILED_PRECONDITION],
    ["Mounts", { key: "none" }, status.NOT_FOUND],
    ["Remove", { key: "none" }, status.NOT_FOUND],
    ["Remove", { key: "c" }, status.FAILED_PRECONDITION],
    ["Stat", { key: "none" }, status.NOT_FOUND],
    ["Usage", { key: "none" }, status.NOT_FOUND],
    ["Update", { info: { name: "none" } }, status.NOT_FOUND],
    ["Update", { info: { name: "b" }, updateMask: { paths: ["parent"] } }, status.INVALID_ARGUMENT],
    ["Update", {}, status.INVALID_ARGUMENT],
  ];
  for (const [call, request, code] of refusals) {
    await assert.rejects(client.call(call, request), { code }, `${call} ${JSON.stringify(request).slice(0, 100)}`);
  }
  await assert.rejects(client.list(["name=="]), { code: status.INVALID_ARGUMENT, message: /Cannot read filter/ });
  assert.deepEqual(
    (await client.list())
      .flat()
      .map(({ name }) => name)
      .sort(),
    ["b", "c", "v"],
  );
  assert.equal((await served.snapshotDevices()).length, 3);
});

test("labels are what was sent, whatever their names", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client } = served;
  const labels = Object.fromEntries([
    ["constructor", "1"],
    ["containerd.io/snapshot/ä ö", "ü"],
    ["empty", ""],
  ]);
  await client.call("Prepare", { key: "a", parent: "", labels });
  await served.restart();
  const { info } = await client.call<{ info: Info }>("Stat", { key: "a" });
  assert.deepEqual(info.labels, labels);
  const changed = await client.call<{ info: Info }>("Update", {
    info: { name: "a", labels: { new: "2", other: "3" } },
    updateMask: { paths: ["labels.new", "labels.constructor"] },
  });
  assert.deepEqual(changed.info.labels, { new: "2", "containerd.io/snapshot/ä ö": "ü" });
});

test("options have the names and the effect that users of the devmapper snapshotter know", async (t) => {
  const served = await servedSnapshotter(t, {
    base_image_size: "700MB",
    fs_type: "xfs",
    fs_options: "-i maxpct=50",
    async_remove: true,
  });
  if (served === undefined) return;
  const { client } = served;
  const prepared = await client.call<{ mounts: Mount[] }>("Prepare", { key: "a", parent: "" });
  assert.equal(prepared.mounts[0].type, "xfs");
  assert.deepEqual(prepared.mounts[0].options, ["rw", "nouuid"]);
  await mounted(served, prepared, (folder) => {
    const { blocks, bsize } = statfsSync(folder);
    assert.ok(blocks * bsize > 550 * MiB && blocks * bsize < 700 * MiB);
    assert.match(execFileSync("xfs_info", [folder], { encoding: "utf8" }), /imaxpct=50/);
  });
  await client.call("Remove", { key: "a" });
  assert.equal((await served.snapshotDevices()).length, 1, "its device waits for the clean-up");
  await client.call("Prepare", { key: "a", parent: "" });
  await client.call("Cleanup", {});
  assert.equal((await served.snapshotDevices()).length, 1);

  // Other options are for what begins empty from then on.
  await served.restart({ fs_type: "ext4", base_image_size: "600MB", fs_options: "nodiscard,stride=16" });
  assert.equal((await client.call<{ mounts: Mount[] }>("Mounts", { key: "a" })).mounts[0].type, "xfs");
  const other = await client.call<{ mounts: Mount[] }>("Prepare", { key: "b", parent: "" });
  const features = execFileSync("tune2fs", ["-l", other.mounts[0].source], { encoding: "utf8" });
  assert.match(features, /RAID stride:\s+16/);
  for (const key of ["a", "b"]) await client.call("Remove", { key });
  await served.restart();
  await client.call("Cleanup", {});
  const bases = (await served.devices.devices()).filter(({ id }) => id.startsWith("containerd-base-"));
  assert.equal(bases.length, 1, "what nothing begins as any more is gone");
});

test("records without devices and devices without records are put right at a start", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client, devices, graph } = served;
  for (const key of ["a", "b", "c"]) await client.call("Prepare", { key, parent: "" });
  const folder = join(graph.root, "containerd/snapshots");
  const [first, second] = readdirSync(folder);
  const lost = (JSON.parse(readFileSync(join(folder, first), "utf8")) as { key: string }).key;
  await devices.deactivate(first.replace(".json", ""));
  await devices.remove(first.replace(".json", ""));
  const forgotten = (JSON.parse(readFileSync(join(folder, second), "utf8")) as { key: string }).key;
  rmSync(join(folder, second));
  writeFileSync(join(folder, ".tmp-half-written"), "{");
  await served.restart();
  await client.call("Cleanup", {});
  const left = ["a", "b", "c"].filter((key) => key !== lost && key !== forgotten);
  assert.deepEqual(
    (await client.list()).flat().map(({ name }) => name),
    left,
  );
  assert.equal((await served.snapshotDevices()).length, 1);
  assert.ok(!existsSync(join(folder, ".tmp-half-written")));
  for (const key of [lost, forgotten]) await client.call("Prepare", { key, parent: "" });
  assert.deepEqual(await devices.check(), []);
});

test("a graph's snapshots are served by one process", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { serveSnapshotter } = await import("./snapshotter-service.ts");
  const { pino } = await import("pino");
  const other = { socket: `${served.socket}2` };
  await assert.rejects(serveSnapshotter({ devices: served.devices, log: pino({ level: "silent" }) }, other), {
    code: "unavailable",
    message: /another process does/,
  });
});

test("commands tell of snapshots by containerd's names, and of what is wrong with them", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client, devices, graph } = served;
  await client.call("Prepare", { key: "a", parent: "" });
  await client.call("Commit", { name: "layer", key: "a" });
  await client.call("Prepare", { key: "b", parent: "layer" });
  const known = [...knownSnapshots(graph.root).values()];
  assert.deepEqual(known.map(({ key, kind }) => `${key} ${kind}`).sort(), ["b active", "layer committed"]);
  assert.deepEqual(await checkSnapshots(graph.root, devices), []);
  await devices.remove(known.find(({ key }) => key === "layer")!.device);
  const [problem, ...others] = await checkSnapshots(graph.root, devices);
  assert.match(problem, /^Snapshot 'layer' has no device: containerd-\w+ is missing/);
  assert.deepEqual(others, []);
});

test("a snapshot outlives the pool's end, and is made active again when it is asked for", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client, graph } = served;
  const prepared = await client.call<{ mounts: Mount[] }>("Prepare", { key: "a", parent: "" });
  await mounted(served, prepared, (folder) => writeFileSync(join(folder, "file"), "kept"));
  await served.afterShutdown();
  assert.deepEqual(
    (await graph.mapper.list()).filter(({ target }) => target === "thin"),
    [],
  );
  await mounted(served, await client.call("Mounts", { key: "a" }), (folder) => {
    assert.equal(readFileSync(join(folder, "file"), "utf8"), "kept");
  });
});

test("a mounted snapshot loses nothing by being removed, and its key is free at once", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client } = served;
  const prepared = await client.call<{ mounts: Mount[] }>("Prepare", { key: "a", parent: "" });
  await mounted(served, prepared, async (folder) => {
    writeFileSync(join(folder, "file"), "kept");
    await client.call("Remove", { key: "a" });
    await client.call("Prepare", { key: "a", parent: "" });
    assert.equal(readFileSync(join(folder, "file"), "utf8"), "kept");
    writeFileSync(join(folder, "other"), "written");
  });
  await client.call("Cleanup", {});
  assert.equal((await served.snapshotDevices()).length, 1);
});

test("what is committed while it is mounted has all that was written before", async (t) => {
  const served = await servedSnapshotter(t);
  if (served === undefined) return;
  const { client } = served;
  const prepared = await client.call<{ mounts: Mount[] }>("Prepare", { key: "a", parent: "" });
  const content = randomBytes(3 * MiB);
  await mounted(served, prepared, async (folder) => {
    writeFileSync(join(folder, "file"), content);
    await client.call("Commit", { name: "layer", key: "a" });
    await client.call("Prepare", { key: "b", parent: "layer" });
  });
  await mounted(served, await client.call("Mounts", { key: "b" }), (folder) => {
    assert.deepEqual(readFileSync(join(folder, "file")), content);
  });
});

for (const fs_type of ["ext4", "xfs"] as const) {
  test(`what another mount namespace keeps mounted is committed whole, on ${fs_type}`, async (t) => {
    const served = await servedSnapshotter(t, { fs_type });
    if (served === undefined) return;
    const { client } = served;
    const content = randomBytes(3 * MiB);
    const prepared = await client.call<{ mounts: Mount[] }>("Prepare", { key: "a", parent: "" });
    let namespace: ChildProcess | undefined;
    try {
      await mounted(served, prepared, async (folder) => {
        // As one that begins at this moment does, such as a container's.
        namespace = spawn("unshare", ["--mount", "sh", "-c", "echo; exec sleep 1000"]);
        await once(namespace.stdout!, "data");
        writeFileSync(join(folder, "file"), content);
      });
      await client.call("Commit", { name: "layer", key: "a" });
      await mounted(served, await client.call("Prepare", { key: "b", parent: "layer" }), (folder) => {
        assert.deepEqual(readFileSync(join(folder, "file")), content);
      });
    } finally {
      // Before anything is taken down, as it keeps all of it mounted.
      namespace?.kill("SIGKILL");
      if (namespace !== undefined) await once(namespace, "exit");
    }
  });
}

test(
  "hundreds of snapshots, made by many at once, are listed in batches, and gone as fast",
  { timeout: 180_000 },
  async (t) => {
    const served = await servedSnapshotter(t);
    if (served === undefined) return;
    const { client } = served;
    const inTurns = (work: (n: number) => Promise<unknown>) =>
      Promise.all(
        Array.from({ length: 8 }, async (_, worker) => {
          for (let n = worker; n < many; n += 8) await work(n);
        }),
      );
    await inTurns(async (n) => {
      await client.call("Prepare", { key: `a${n}`, parent: "", labels: { half: String(n % 2) } });
      await client.call("Commit", { name: `c${n}`, key: `a${n}`, labels: { half: String(n % 2) } });
    });
    await served.restart();
    const batches = await client.list();
    assert.equal(new Set(batches.flat().map(({ name }) => name)).size, many);
    assert.ok(batches.every(({ length }) => length <= 100));
    assert.equal((await client.list(["labels.half==1,name~=^c"])).flat().length, many / 2);
    await inTurns((n) => client.call("Remove", { key: `c${n}` }));
    assert.deepEqual(await served.snapshotDevices(), []);
    assert.deepEqual(await served.devices.check(), []);
  },
);
