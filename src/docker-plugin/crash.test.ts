import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { poolPaths } from "../block-device/pool-paths.ts";
import { readPoolState } from "../block-device/pool-state.ts";
import { testGraph } from "../graph/testing/test-graph.ts";
import { inKernel } from "../graph/testing/test-mapper.ts";
import { craftTar } from "../layer/testing/craft-tar.ts";
import { failureOf, PluginClient } from "./testing/plugin-client.ts";
import { smallGraph } from "./testing/test-plugin.ts";
import { until } from "../linux/testing/until.ts";

const program = fileURLToPath(new URL("./testing/serve-docker-plugin.ts", import.meta.url));
const skip = inKernel ? "the daemon's own affair, whatever the pool stands on" : false;

/** The plugin in a process that a test may kill. */
class Daemon {
  readonly root: string;
  readonly client: PluginClient;
  readonly #runDir: string;
  readonly #socket: string;
  #process: ChildProcess | undefined;

  constructor(root: string, runDir: string) {
    this.root = root;
    this.#runDir = runDir;
    this.#socket = join(runDir, "plugin.sock");
    this.client = new PluginClient(this.#socket);
  }

  async start(): Promise<void> {
    const args = ["--import", "tsx", program, this.root, this.#socket, this.#runDir];
    const child = spawn(process.execPath, [...args, ...(existsSync(this.root) ? [] : smallGraph)], {
      env: { ...process.env, MICA_TEST_LOG_LEVEL: "silent" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
    assert.equal(child.exitCode, null, "it runs");
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    if (this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill(signal);
    await exited;
  }

  /** Kills the process that serves the pool's devices; another one takes over. */
  killEngine(): void {
    for (const pool of readdirSync(this.#runDir)) {
      const pid = readPoolState(poolPaths(this.#runDir, pool))?.engine?.pid;
      if (pid !== undefined) return void process.kill(pid, "SIGKILL");
    }
    assert.fail("there is an engine");
  }

  async inLayer<T>(ID: string, work: (root: string) => T): Promise<T> {
    const { Dir } = (await this.client.ok("Get", { ID })) as { Dir: string };
    try {
      return work(Dir);
    } finally {
      await this.client.ok("Put", { ID });
    }
  }

  mounted(): string[] {
    return readdirSync(join(this.root, "mnt")).filter((name) => !name.startsWith("."));
  }
}

async function daemonOf(t: TestContext): Promise<Daemon | undefined> {
  const graph = testGraph(t);
  if (graph === undefined) return undefined;
  const daemon = new Daemon(graph.root, graph.runDir);
  const stop = graph.stop.bind(graph);
  graph.stop = async () => {
    await daemon.end("SIGTERM");
    await stop();
  };
  await daemon.start();
  return daemon;
}

test("the daemon's sudden death leaves no half layer, and Docker's mounts", { skip }, async (t) => {
  const daemon = await daemonOf(t);
  if (daemon === undefined) return;
  const { client, root } = daemon;
  const init = { Home: "/var/lib/docker/mica", UIDMaps: [{ container_id: 0, host_id: 100_000, size: 65_536 }] };
  await client.ok("Init", { ...init, GIDMaps: [{ container_id: 0, host_id: 100_000, size: 65_536 }] });
  for (const ID of ["fresh", "used", "running", "finished"]) await client.ok("Create", { ID });
  await daemon.inLayer("used", (root) => writeFileSync(join(root, "before"), "before"));
  const { Dir } = (await client.ok("Get", { ID: "running" })) as { Dir: string };
  const tar = craftTar([
    { name: "first", content: "1".repeat(1 << 20) },
    { name: "second", content: "2" },
  ]);
  assert.equal((await client.applyDiff("finished", Readable.from([tar]))).status, 200);
  const broken = ["fresh", "used"].map(async (id) => {
    const pending = client.begin(`GraphDriver.ApplyDiff?id=${id}`);
    const end = once(pending, "error");
    pending.write(tar.subarray(0, tar.length - 2048));
    await until("the first file is unpacked", () => existsSync(join(root, "mnt", id, "rootfs/first")));
    return { end };
  });
  const ends = await Promise.all(broken);
  await daemon.end("SIGKILL");
  for (const { end } of ends) await end;

  await daemon.start();
  assert.deepEqual(daemon.mounted(), ["running"]);
  assert.deepEqual(await daemon.inLayer("fresh", (root) => readdirSync(root)), []);
  assert.deepEqual(await daemon.inLayer("used", (root) => readdirSync(root)), ["before"]);
  assert.deepEqual(await daemon.inLayer("finished", (root) => readdirSync(root).sort()), ["first", "second"]);
  assert.deepEqual(readdirSync(join(root, "docker-plugin/under-way")), []);
  const rest = failureOf(await client.applyDiff("fresh", Readable.from([])));
  assert.equal(rest.status, 409, rest.message);
  assert.equal((await client.applyDiff("fresh", Readable.from([tar]))).status, 200);
  const packed = await client.diff("finished");
  assert.ok(packed.length > 1 << 20, "owners are mapped as dockerd said to the one before");
  // What it held is counted as one.
  await client.ok("Get", { ID: "running" });
  await client.ok("Put", { ID: "running" });
  assert.ok(existsSync(Dir));
  await client.ok("Put", { ID: "running" });
  assert.deepEqual(daemon.mounted(), []);
});

test("a Create that got no answer may come again", { skip }, async (t) => {
  const daemon = await daemonOf(t);
  if (daemon === undefined) return;
  const { client, root } = daemon;
  const tar = craftTar([{ name: "file", content: "1" }]);
  await client.ok("Create", { ID: "parent" });
  await client.ok("Create", { ID: "made", Parent: "parent" });
  // Shortly after the answer.
  await until("no mark is left", () => readdirSync(join(root, "docker-plugin/under-way")).length === 0);
  await daemon.end("SIGKILL");
  // As it would be, had the daemon died just before it answered, and once before it did anything.
  for (const id of ["made", "not-made"]) {
    writeFileSync(join(root, "docker-plugin/under-way", id), JSON.stringify({ call: "create", parent: "parent" }));
  }
  await daemon.start();
  assert.match((await client.refused("Create", { ID: "parent" })).message, /it exists already/);
  for (const ID of ["made", "not-made"]) {
    await client.ok("Create", { ID, Parent: "parent" });
    assert.equal(
      (await client.applyDiff(ID, Readable.from([tar]))).status,
      200,
      "and nothing of its layer was sent before",
    );
    assert.match((await client.refused("Create", { ID, Parent: "parent" })).message, /it exists already/);
  }
});

test("what was acknowledged survives the death of the pool's engine and of the daemon at once", { skip }, async (t) => {
  const daemon = await daemonOf(t);
  if (daemon === undefined) return;
  const { client } = daemon;
  const content = Buffer.alloc(4 << 20, "content ");
  await client.ok("Create", { ID: "layer" });
  const tar = craftTar([{ name: "file", content }]);
  assert.equal((await client.applyDiff("layer", Readable.from([tar]))).status, 200);
  daemon.killEngine();
  await daemon.end("SIGKILL");
  await daemon.start();
  assert.ok(await daemon.inLayer("layer", (root) => readFileSync(join(root, "file")).equals(content)));
  await client.ok("Create", { ID: "next", Parent: "layer" });
  daemon.killEngine();
  assert.equal((await client.applyDiff("next", Readable.from([craftTar([{ name: "more" }])]))).status, 200);
  assert.deepEqual(await daemon.inLayer("next", (root) => readdirSync(root).sort()), ["file", "more"]);
});
