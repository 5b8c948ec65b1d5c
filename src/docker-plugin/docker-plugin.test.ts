import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { knownDockerLayers } from "./known-layers.ts";
import { testPlugin } from "./testing/test-plugin.ts";

const init = { Home: "/var/lib/docker/mica", Opts: null, UIDMaps: null, GIDMaps: null };

test("a layer is made, mounted, counted and removed as Docker's drivers do", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  assert.deepEqual(await client.call("Plugin.Activate", ""), {
    status: 200,
    contentType: "application/vnd.docker.plugins.v1.1+json",
    body: { Implements: ["GraphDriver"] },
  });
  assert.deepEqual(await client.ok("Init", init), {});
  assert.deepEqual(await client.ok("Capabilities"), { Capabilities: {} });
  const id = "0123456789abcdef".repeat(4);
  await client.ok("CreateReadWrite", { ID: `${id}-init` });
  await client.ok("Create", { ID: id, Parent: `${id}-init`, StorageOpt: { size: "100M" } });
  assert.deepEqual(await client.ok("Exists", { ID: id }), { Exists: true });
  assert.deepEqual([...knownDockerLayers(devices.root)].sort(), [id, `${id}-init`]);
  const { Dir } = await client.ok("Get", { ID: id, MountLabel: "" });
  assert.equal(Dir, join(devices.root, "mnt", id, "rootfs"));
  assert.ok(statSync(Dir).isDirectory());
  assert.deepEqual(await client.ok("Get", { ID: id }), { Dir });
  await client.ok("Put", { ID: id });
  assert.ok(existsSync(Dir), "a reference is left");
  await client.ok("Put", { ID: id });
  assert.ok(!existsSync(Dir), "the last one unmounts");
  await client.ok("Put", { ID: id });
  const { Metadata } = (await client.ok("GetMetadata", { ID: id })) as { Metadata: Record<string, string> };
  assert.equal(Metadata.DeviceSize, String(100 << 20));
  assert.match(Metadata.DeviceName, new RegExp(`^docker-.*-${id}$`));
  const { Status } = (await client.ok("Status")) as { Status: [string, string][] };
  assert.deepEqual(Status, await devices.status());
  await client.ok("Remove", { ID: id });
  await client.ok("Remove", { ID: id });
  assert.deepEqual(await client.ok("Exists", { ID: id }), { Exists: false });
  assert.deepEqual([...knownDockerLayers(devices.root)], [`${id}-init`]);
  assert.deepEqual(await devices.check(), []);
});

test("what Docker asks for in a way that cannot be is refused, by name", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client } = plugin;
  await client.ok("Create", { ID: "layer" });
  const refusals: [string, object, RegExp][] = [
    ["Create", { ID: "layer" }, /layer: it exists already/],
    ["Create", { ID: "other", Parent: "unknown" }, /its parent unknown does not exist/],
    ["Create", { ID: "other", StorageOpt: { size: "1M" } }, /cannot be smaller/],
    ["Create", { ID: "other", StorageOpt: { size: "large" } }, /Cannot read storage option size 'large'/],
    ["Create", { ID: "other", StorageOpt: { iops: "5" } }, /Cannot use storage option 'iops': unknown option/],
    ["Get", { ID: "unknown" }, /Cannot find device unknown/],
    ["Get", { ID: "layer", MountLabel: 'a",suid,context="b' }, /Cannot use mount label/],
    ["GetMetadata", { ID: "unknown" }, /Cannot find device unknown/],
    ["Diff", { ID: "unknown" }, /Cannot find device unknown/],
    ["Changes", { ID: "layer", Parent: "unknown" }, /Cannot find device unknown/],
    ["Init", { ...init, Opts: ["dm.basesize=1G"] }, /dm.basesize=1G: the graph is open with 64M/],
    ["Init", { ...init, Opts: ["dm.nothing=1"] }, /'dm.nothing': unknown storage option/],
    ["Init", { ...init, UIDMaps: [{ container_id: 0, host_id: -1, size: 1 }] }, /UIDMaps\.0\.host_id/],
  ];
  for (const bad of ["", "..", "../layer", "a/b", "base", "pool", ".hidden", "a b", "x".repeat(101)]) {
    for (const call of ["Create", "Remove", "Get", "Put", "GetMetadata", "Diff", "Changes", "DiffSize"]) {
      refusals.push([call, { ID: bad }, /Cannot read the request \w+: ID: Cannot use/]);
    }
    assert.deepEqual(await client.ok("Exists", { ID: bad }), { Exists: false });
  }
  for (const [call, body, expected] of refusals) {
    const { status, message } = await client.refused(call, body);
    assert.match(message, expected);
    assert.ok(status >= 400, `${call} ${JSON.stringify(body)}: ${status}`);
  }
  assert.deepEqual(await client.ok("Init", { ...init, Opts: ["dm.basesize=64M", "dm.fs=xfs"] }), {});
});

test("dockerd may end, die and come back, and keeps its mounts; another one is refused meanwhile", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  await client.ok("Init", init);
  for (const ID of ["docker", "also"]) await client.ok("Create", { ID });
  const { Dir } = (await client.ok("Get", { ID: "docker" })) as { Dir: string };
  await client.ok("Get", { ID: "docker" });
  await client.ok("Get", { ID: "also" });
  await devices.create("of-another-service");
  const theirs = await devices.get("of-another-service");
  const { message } = await client.refused("Init", { ...init, Home: "/other" });
  assert.match(message, /devices are mounted for the one of '\/var\/lib\/docker\/mica'/);
  await client.ok("Init", init);
  // As its own driver does: a mount that is there counts as one.
  await client.ok("Get", { ID: "docker" });
  await client.ok("Put", { ID: "docker" });
  assert.ok(existsSync(Dir));
  await client.ok("Put", { ID: "docker" });
  assert.ok(!existsSync(Dir));
  await client.ok("Cleanup");
  assert.ok(!existsSync(join(devices.root, "mnt/also/rootfs")), "what Docker left mounted goes with it");
  assert.ok(existsSync(theirs), "nothing else does");
  await client.ok("Init", { ...init, Home: "/other" });
});

test("a user namespace's root owns the root file system, and may go there", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client, devices } = plugin;
  const map = (host_id: number): object[] => [{ container_id: 0, host_id, size: 65_536 }];
  await client.ok("Init", { ...init, UIDMaps: map(100_000), GIDMaps: map(200_000) });
  await client.ok("Create", { ID: "mapped" });
  const { Dir } = (await client.ok("Get", { ID: "mapped" })) as { Dir: string };
  const owner = (path: string): number[] => [lstatSync(path).uid, lstatSync(path).gid];
  assert.deepEqual(owner(Dir), [100_000, 200_000]);
  const mounts = lstatSync(join(devices.root, "mnt"));
  assert.deepEqual([mounts.gid, mounts.mode & 0o777], [200_000, 0o710]);
  await client.ok("Put", { ID: "mapped" });
});

test("the socket is root's alone, nothing of the plugin is anybody else's, and a second one is refused", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { service, devices, graph } = plugin;
  assert.equal(lstatSync(service.socket).mode & 0o777, 0o600);
  const folder = join(devices.root, "docker-plugin");
  assert.equal(lstatSync(folder).mode & 0o777, 0o700);
  const { serveDockerPlugin } = await import("./docker-plugin.ts");
  const { openImageStore } = await import("../image/image-store.ts");
  const { pino } = await import("pino");
  const parts = { devices, store: await openImageStore(devices), log: pino({ level: "silent" }) };
  await assert.rejects(
    serveDockerPlugin(parts, { socket: join(graph.runDir, "second.sock") }),
    /Cannot serve Docker from the graph '.*': another process does/,
  );
  await service.close();
  assert.ok(!existsSync(service.socket));
  writeFileSync(join(folder, "under-way/damaged"), "{");
  const again = await serveDockerPlugin(parts, { socket: service.socket });
  await again.close();
  assert.deepEqual(readdirSync(join(folder, "under-way")), []);
});
