import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { packageFile } from "../src/linux/package-root.ts";
import { until } from "../src/linux/testing/until.ts";
import { run } from "./cli-support.ts";
import { DockerEngine } from "./docker-engine.ts";
import { build, contents, threeLayers, writeBuildContext } from "./docker-image.ts";
import { missingForDockerOnMica } from "./docker-on-mica.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";

// `sleep` as a container's first process heeds no other signal: Docker would wait for ten seconds.
const quickStop = ["--stop-signal", "KILL"];
const smallPool = ["dm.basesize=256M", "dm.loopdatasize=2G", "dm.loopmetadatasize=32M"];

suite("Mica as a managed plugin", { timeout: 300_000 }, () => {
  test("Docker installs it, runs containers on it, restarts under them, and takes it away", async (t) => {
    const missing = missingForDockerOnMica();
    if (missing !== undefined) return t.skip(missing);
    const { folder, engine } = scratchEngine(t);
    const [plugin, state] = [join(folder, "plugin"), join(folder, "state")];
    mkdirSync(state);
    const built = await run(packageFile("packaging/docker-plugin/build.sh"), ["--host", plugin]);
    assert.equal(built.status, 0, built.stderr);
    await engine.start();
    const install = async (): Promise<void> => {
      await engine.ok("plugin", "create", "mica", plugin);
      const options = smallPool.map((option) => `--storage-opt ${option}`).join(" ");
      await engine.ok("plugin", "set", "mica", `state.source=${state}`, `args=${options}`);
      await engine.ok("plugin", "enable", "--timeout", "0", "mica");
    };
    await install();
    await engine.stop();

    await t.test("containers run on it, and a killed daemon is started again under them", async () => {
      await engine.start({ driver: "mica" });
      assert.equal(await engine.ok("info", "--format", "{{.Driver}}"), "mica");
      await build(engine, writeBuildContext(join(folder, "context"), threeLayers), "three");
      await engine.ok("run", "--detach", ...quickStop, "--network", "none", "--name", "box", "three", "sleep", "1000");
      const daemon = daemonPid(engine);
      process.kill(daemon, "SIGKILL");
      // What it is asked in the moment of its death, Docker repeats without a body.
      await until("it is dead", () => !existsSync(`/proc/${daemon}`));
      await engine.ok("exec", "box", "sh", "-c", "echo written > /data/while-away");
      await engine.ok("run", "--rm", "--network", "none", "three", "true");
      assert.notEqual(daemonPid(engine), daemon);
      assert.equal(await engine.ok("exec", "box", "cat", "/data/while-away"), "written");
    });

    await t.test("it is not disabled while Docker's storage is on it", async () => {
      const { status, stderr } = await engine.docker("plugin", "disable", "mica");
      assert.notEqual(status, 0);
      assert.match(stderr, /in use/);
    });

    await t.test("dockerd restarts: containers end before the plugin does, and have all they wrote", async () => {
      const before = await contents(engine, "box");
      await engine.stop();
      assert.deepEqual(leftoversIn(folder), []);
      await engine.start({ driver: "mica", options: ["--live-restore"] });
      await engine.ok("start", "box");
      assert.equal(await contents(engine, "box"), before);
    });

    await t.test("with --live-restore, dockerd may die: the plugin and the containers run on", async () => {
      const daemon = daemonPid(engine);
      const before = await contents(engine, "box");
      await engine.kill();
      await engine.start({ driver: "mica", options: ["--live-restore"] });
      assert.equal(daemonPid(engine), daemon);
      assert.equal(await contents(engine, "box"), before);
    });

    await t.test("removed and installed anew, as for an upgrade, it has all images and containers", async () => {
      const before = await contents(engine, "box");
      await engine.ok("stop", "box");
      await replaceDriver(engine, "vfs");
      await engine.ok("plugin", "disable", "mica");
      await engine.ok("plugin", "rm", "mica");
      assert.deepEqual(leftoversIn(state), []);
      await install();
      await replaceDriver(engine, "mica");
      await engine.ok("start", "box");
      assert.equal(await contents(engine, "box"), before);
    });

    await t.test("it goes without a trace but for its folder", async () => {
      await engine.ok("rm", "--force", "box");
      await replaceDriver(engine, "vfs");
      await engine.ok("plugin", "disable", "mica");
      await engine.ok("plugin", "rm", "mica");
      assert.deepEqual(readdirSync(state).sort(), ["graph", "run"]);
      await engine.remove();
      assert.deepEqual(leftoversIn(folder), []);
    });
  });
});

async function replaceDriver(engine: DockerEngine, driver: string): Promise<void> {
  await engine.stop();
  await engine.start({ driver });
}

/** An engine with a driver of Docker's own, that is gone after the test with all of its plugins. */
function scratchEngine(t: TestContext): { folder: string; engine: DockerEngine } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mica-plugin-")));
  const engine = new DockerEngine({ folder: join(folder, "docker"), driver: "vfs" });
  t.after(async () => {
    await engine.remove();
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  return { folder, engine };
}

/** `mica daemon` among the processes of the engine's only plugin. */
function daemonPid(engine: DockerEngine): number {
  const [plugin] = readdirSync(join(engine.dataRoot, "plugins")).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const cgroup = ["pids/", ""].map((hierarchy) => `/sys/fs/cgroup/${hierarchy}${plugin}/cgroup.procs`).find(existsSync);
  const pids = readFileSync(cgroup!, "utf8")
    .split("\n")
    .filter((pid) => pid !== "");
  const found = pids.find((pid) => /node\0.*\/mica\0.*daemon\0/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8")));
  assert.ok(found, `a daemon among ${pids.join(", ")}`);
  return Number(found);
}
