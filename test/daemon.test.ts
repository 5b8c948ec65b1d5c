import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { suite, test, type TestContext } from "node:test";
import { lacksRequirement, micaCommand, outcomeOf, run, scratchGraph, smallImage } from "./cli-support.ts";
import { until } from "../src/linux/testing/until.ts";
import { isMounted } from "../src/linux/mount-table.ts";
import type { ListedDevice } from "../src/cli/device-index.ts";
import type { ImageSummary } from "../src/index.ts";
import { servedGraph, type ServedGraph } from "./served-graph.ts";

/** A process with its root in a container, which writes to a file of it again and again. */
function runIn(t: TestContext, rootFolder: string): ChildProcess {
  const script = "while :; do echo line >> /written; sleep 0.05; done";
  const child = spawn("chroot", [rootFolder, "/bin/busybox", "sh", "-c", script], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** An image with a static busybox in it. */
async function busyboxImage(served: ServedGraph): Promise<void> {
  const folder = join(served.folder, "busybox");
  mkdirSync(join(folder, "bin"), { recursive: true });
  await run("cp", ["/bin/busybox", join(folder, "bin/busybox")]);
  const link = await run("ln", ["-s", "busybox", join(folder, "bin/sleep")]);
  assert.equal(link.status, 0);
  const tar = join(served.folder, "busybox.tar");
  assert.equal((await run("tar", ["-C", folder, "-cf", tar, "."])).status, 0);
  await served.ok("import", "busybox", tar);
}

/** An import by a command whose standard input stays open: its first device is there, and it waits for the rest. */
async function importHalfWay(
  served: ServedGraph,
): Promise<{ child: ChildProcess; outcome: Promise<{ status: number | null; stderr: string }> }> {
  await smallImage(served.folder);
  const tar = join(served.folder, "large.tar");
  writeFileSync(join(served.folder, "lower/large"), Buffer.alloc(4_000_000, "large"));
  assert.equal((await run("tar", ["-C", join(served.folder, "lower"), "-cf", tar, "."])).status, 0);
  const child = served.start("import", "large", "-");
  const outcome = outcomeOfOpenInput(child);
  child.stdin!.on("error", () => undefined);
  child.stdin!.write(readFileSync(tar).subarray(0, 3_000_000));
  await until("the import has a layer", async () => (await kinds(served)).length > 1);
  return { child, outcome };
}

async function kinds(served: ServedGraph): Promise<string[]> {
  return (await served.json<ListedDevice[]>("ls")).map(({ kind }) => kind);
}

suite("mica daemon", { timeout: 600_000 }, () => {
  test("tells systemd and the log when it serves, is alone, and leaves with what it brought", async (t) => {
    if (lacksRequirement(t)) return;
    const socket = `@mica-daemon-test-${process.pid}`;
    process.env["NOTIFY_SOCKET"] = socket;
    const scratch = scratchGraph(t);
    delete process.env["NOTIFY_SOCKET"];
    const receive = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", chr(0)))
print("bound", flush=True)
while True: print(s.recv(4096).decode().split()[0], flush=True)`;
    const manager = spawn("python3", ["-c", receive, socket], { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => manager.kill("SIGKILL"));
    let told = "";
    manager.stdout.on("data", (chunk: Buffer) => (told += chunk.toString()));
    await until("systemd's part is bound", () => told === "bound\n");

    const config = join(scratch.folder, "config.toml");
    const [api, plugin] = [join(scratch.folder, "api.sock"), join(scratch.folder, "plugin.sock")];
    writeFileSync(config, `[daemon]\napi = "${api}"\ndocker-plugin = "${plugin}"\nlog-level = "debug"\n`);
    const daemon = scratch.start("--config", config, "daemon");
    t.after(() => daemon.kill("SIGKILL"));
    const outcome = outcomeOf(daemon);
    await until("the daemon says that it is ready", () => told === "bound\nREADY=1\n");
    assert.equal(statSync(api).mode & 0o777, 0o600);
    assert.equal(statSync(plugin).mode & 0o777, 0o600);

    const second = await scratch.mica("daemon", "--api", join(scratch.folder, "second.sock"));
    assert.equal(second.status, 1);
    assert.match(second.stderr, new RegExp(`Cannot start a daemon .*: process ${daemon.pid} is one already`));
    const shutdown = await scratch.mica("shutdown");
    assert.equal(shutdown.status, 1);
    assert.match(shutdown.stderr, new RegExp(`process ${daemon.pid} serves it \\(mica daemon\\)\\. Stop that first`));

    daemon.kill("SIGTERM");
    const { status, stdout, stderr } = await outcome;
    assert.deepEqual([status, stdout], [0, ""]);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: string; msg: string; part?: string });
    assert.ok(lines.some(({ msg, level }) => msg === "ready" && level === "info"));
    assert.ok(
      lines.some(({ part, level }) => part === "graph" && level === "debug"),
      "the graph's messages are in it",
    );
    assert.equal(lines.at(-1)?.msg, "stopped");
    assert.equal(told, "bound\nREADY=1\nSTOPPING=1\n");
    for (const path of [api, plugin, join(scratch.root, "daemon.json")]) assert.ok(!existsSync(path), path);
    assert.ok(scratch.leftovers().length > 0, "the pool outlives it");
    await scratch.ok("shutdown");
    await until("nothing is left", () => scratch.leftovers().length === 0);
  });

  test("what it cannot do is said before anything is begun", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const nothing = await scratch.mica("daemon");
    assert.deepEqual([nothing.status, nothing.stderr.includes("nothing to serve")], [2, true]);
    const config = join(scratch.folder, "config.toml");
    writeFileSync(config, '[daemon]\napi = "relative.sock"\n');
    const relative = await scratch.mica("--config", config, "daemon");
    assert.equal(relative.status, 1);
    assert.match(relative.stderr, /daemon\.api: it has to be an absolute path/);
    assert.ok(!existsSync(scratch.root));
    const taken = join(scratch.folder, "taken");
    writeFileSync(taken, "");
    const refused = await scratch.mica("daemon", "--api", taken);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /mica: Cannot listen on '.*taken': there is something else/);
    assert.ok(!existsSync(join(scratch.root, "daemon.json")));
  });

  for (const [how, end] of [
    ["stopped", (served: ServedGraph) => served.daemon.stop()],
    ["killed", (served: ServedGraph) => served.daemon.kill()],
  ] as const) {
    test(`${how} and started again under a container that runs, it goes on`, async (t) => {
      if (lacksRequirement(t)) return;
      const served = await servedGraph(t);
      const { ok, mica } = served;
      await busyboxImage(served);
      await ok("create", "busybox", "web");
      await ok("create", "busybox", "raw");
      const rootFolder = await ok("mount", "web");
      const blockDevice = await ok("attach", "raw");
      const container = runIn(t, rootFolder);
      const written = join(rootFolder, "written");
      await until("the container writes", () => existsSync(written));

      await end(served);
      const before = statSync(written).size;
      await until("the container writes on", () => statSync(written).size > before);
      assert.equal(await ok("diff", "web"), "A /written", "a command does it itself, beside a dead daemon's files");
      await served.daemon.start();
      await until("the container still writes", () => statSync(written).size > before + 50);
      assert.equal(container.exitCode, null);

      assert.equal(await ok("diff", "web"), "A /written");
      assert.equal(await ok("mount", "web"), rootFolder);
      assert.ok(isMounted(join(rootFolder, "..")), "what came and went beside it left it mounted");
      const busy = await mica("umount", "web");
      assert.equal(busy.status, 1);
      assert.match(busy.stderr, /used by .*busybox/);
      assert.equal(await ok("attach", "raw"), blockDevice);
      container.kill("SIGKILL");
      await once(container, "exit");
      await until("it can be unmounted", async () => (await mica("umount", "web")).status === 0);
      assert.ok(!isMounted(join(rootFolder, "..")), "one umount, however often it was mounted");
      await ok("detach", "raw");
      await ok("rm", "web", "raw");
      assert.equal(await ok("check"), "No problems found");
    });
  }

  test("killed in the middle of an import, the next one has nothing of it", async (t) => {
    if (lacksRequirement(t)) return;
    const served = await servedGraph(t);
    const { outcome } = await importHalfWay(served);
    await served.daemon.kill();
    const { status, stderr } = await outcome;
    assert.equal(status, 1);
    assert.match(stderr, /^mica: Cannot complete the request: the daemon gave no answer/);
    await served.daemon.start();
    await until("the half layer is gone", async () => (await kinds(served)).length === 1);
    assert.equal(await served.ok("check"), "No problems found");
    assert.deepEqual(await served.json<ImageSummary[]>("images"), []);
  });

  test("Ctrl-C in a command: the daemon has undone it when that has ended", async (t) => {
    if (lacksRequirement(t)) return;
    const served = await servedGraph(t);
    const { child, outcome } = await importHalfWay(served);
    child.kill("SIGINT");
    assert.equal((await outcome).status, 130);
    assert.deepEqual(await kinds(served), ["base"]);
    assert.equal(await served.ok("check"), "No problems found");
  });

  test("many commands at once go through it", async (t) => {
    if (lacksRequirement(t)) return;
    const served = await servedGraph(t);
    const { ok } = served;
    await ok("import", "app", await smallImage(served.folder));
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((name) => ok("create", "app", name)));
    const paths = await Promise.all(names.map((name) => ok("mount", name)));
    for (const [index, path] of paths.entries()) writeFileSync(join(path, "mine"), names[index]);
    const diffs = await Promise.all(names.map((name) => ok("diff", name)));
    assert.deepEqual(diffs, ["A /mine", "A /mine", "A /mine", "A /mine"]);
    await Promise.all(names.map((name) => ok("umount", name)));
    await Promise.all([...names.map((name) => ok("rm", name)), ok("ls"), ok("check")]);
    assert.deepEqual(await kinds(served), ["base", "layer", "layer"]);
  });

  test("asked to stop, it completes what is under way; asked twice, it does not", async (t) => {
    if (lacksRequirement(t)) return;
    const served = await servedGraph(t);
    const { ok, folder, daemon } = served;
    await smallImage(folder);
    writeFileSync(join(folder, "lower/large"), Buffer.alloc(32_000_000, "large"));
    const tar = join(folder, "large.tar");
    assert.equal((await run("tar", ["-C", join(folder, "lower"), "-cf", tar, "."])).status, 0);
    await ok("import", "large", tar);
    await ok("create", "large", "web");
    const curl = ["-sS", "--unix-socket", served.api, "--no-buffer", "http://mica/v1/containers/web/archive"];

    const slow = spawn("curl", curl, { stdio: ["ignore", "pipe", "inherit"] });
    await once(slow.stdout, "readable");
    const stopped = daemon.stop();
    await until("the daemon takes no more calls", () => !existsSync(served.api));
    await Promise.all([pipeline(slow.stdout, createWriteStream(join(folder, "web.tar"))), stopped]);
    const listed = await run("tar", ["-tf", join(folder, "web.tar")]);
    assert.equal(listed.status, 0, listed.stderr);

    await daemon.start();
    const stuck = spawn("curl", curl, { stdio: ["ignore", "pipe", "ignore"] });
    t.after(() => stuck.kill("SIGKILL"));
    await once(stuck.stdout, "readable");
    process.kill(daemon.pid, "SIGTERM");
    await until("the daemon takes no more calls", () => !existsSync(served.api));
    await daemon.stop();
    stuck.stdout.resume();
    const [status] = (await once(stuck, "close")) as [number];
    assert.notEqual(status, 0, "who was reading is told that it is not the whole");
    await daemon.start();
    assert.equal(await ok("diff", "web"), "");
    await until("nothing is mounted", async () =>
      (await served.json<ListedDevice[]>("ls")).every(({ mountPoint }) => mountPoint === null),
    );
  });

  test("options that it was not started with are refused, not left out", async (t) => {
    if (lacksRequirement(t)) return;
    const served = await servedGraph(t);
    const refused = await served.mica("--storage-opt", "dm.mountopt=noatime", "ls");
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /process \d+\) has it open with other options than dm\.mountopt=noatime/);
    await served.ok("--storage-opt", "dm.basesize=256M", "ls");
    assert.equal((await served.mica("--device-mapper", "kernel", "ls")).status, 1);
    await served.ok("--device-mapper", "userspace", "ls");
    const other = await outcomeOf(spawn(process.execPath, [micaCommand, "--root", served.folder, "ls"]));
    assert.match(other.stderr, /there is none/, "another graph's daemon is not asked");
  });
});

/** As outcomeOf, but leaves standard input open. */
async function outcomeOfOpenInput(child: ChildProcess): Promise<{ status: number | null; stderr: string }> {
  const chunks: Buffer[] = [];
  child.stderr!.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdout!.resume();
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stderr: Buffer.concat(chunks).toString() };
}
