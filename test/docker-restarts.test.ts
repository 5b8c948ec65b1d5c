import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { until } from "../src/linux/testing/until.ts";
import { outcomeOf } from "./cli-support.ts";
import { build, contents, oneLayer, threeLayers, writeBuildContext } from "./docker-image.ts";
import { dockerOnMica } from "./docker-on-mica.ts";

const names = ["first", "second", "third"];

suite("restarts under Docker's containers", { timeout: 300_000 }, () => {
  test("containers run on while dockerd, the daemon and the engine stop or die, in any order", async (t) => {
    const docker = await dockerOnMica(t, ["--live-restore"]);
    if (docker === undefined) return;
    const { engine, daemon } = docker;
    const write = (text: string): Promise<string[]> =>
      Promise.all(names.map((name) => engine.ok("exec", name, "sh", "-c", `echo ${text} >> /tmp/written && sync`)));
    await build(engine, writeBuildContext(join(docker.folder, "context"), oneLayer), "box");
    for (const name of names) {
      await engine.ok(
        "run",
        "--detach",
        "--network",
        "none",
        "--stop-signal",
        "KILL",
        "--name",
        name,
        "box",
        "sleep",
        "1000",
      );
    }
    await write("before");

    await engine.stop();
    await engine.start();
    await write("dockerd stopped");

    await engine.kill();
    await daemon.kill();
    daemon.killEngine();
    await daemon.start();
    await engine.start();
    await write("all killed");

    await daemon.stop();
    await daemon.start();
    daemon.killEngine();
    await write("daemon stopped");

    const lines = "before\ndockerd stopped\nall killed\ndaemon stopped";
    for (const name of names) assert.equal(await engine.ok("exec", name, "cat", "/tmp/written"), lines);
    // One ends by itself, one is restarted, one is removed as it runs: each mount is given back once.
    const [first, second, third] = names;
    await engine.ok("stop", first);
    await engine.ok("restart", "--time", "1", second);
    await engine.ok("rm", "--force", third);
    assert.equal(await engine.ok("exec", second, "cat", "/tmp/written"), lines);
    await engine.ok("start", first);
    assert.equal(await engine.ok("exec", first, "cat", "/tmp/written"), lines);
    await engine.ok("rm", "--force", first, second);
    const { stdout } = await daemon.mica("--json", "ls");
    assert.deepEqual(
      (JSON.parse(stdout) as { mountPoint?: string }[]).flatMap(({ mountPoint }) => mountPoint ?? []),
      [],
    );
    assert.equal((await daemon.mica("check")).stdout, "No problems found\n");
    assert.deepEqual(await docker.end(), []);
  });

  test("a daemon killed while it unpacks a layer: the load fails or is whole, never half", async (t) => {
    const docker = await dockerOnMica(t);
    if (docker === undefined) return;
    const { engine, daemon, folder } = docker;
    await build(engine, writeBuildContext(join(folder, "context"), threeLayers), "three");
    const archive = join(folder, "three.tar");
    await engine.ok("save", "--output", archive, "three");
    await engine.ok("run", "--detach", "--network", "none", "--name", "before", "three", "sleep", "1000");
    const before = withoutMark(await contents(engine, "before"));
    await engine.ok("rm", "--force", "before");
    await engine.ok("rmi", "three");
    const listed = (await daemon.mica("ls")).stdout;
    for (const delay of [30, 150]) {
      const load = outcomeOf(engine.client("load", "--input", archive));
      await new Promise((resolve) => setTimeout(resolve, delay));
      await daemon.kill();
      await daemon.start();
      const { status } = await load;
      if (status !== 0) {
        assert.equal(await engine.ok("images", "--quiet", "--all"), "");
        await until(
          "the half layer goes, at the latest when what still had it open has ended",
          async () => (await daemon.mica("ls")).stdout === listed,
          () => `${engine.log()}\n${daemon.log()}`,
        );
        await engine.ok("load", "--input", archive);
      }
      await engine.ok("run", "--detach", "--network", "none", "--name", "after", "three", "sleep", "1000");
      assert.equal(withoutMark(await contents(engine, "after")), before);
      await engine.ok("rm", "--force", "after");
      await engine.ok("rmi", "three");
    }
    assert.deepEqual(await docker.end(), []);
  });
});

/** Without what Docker itself makes in each container. */
function withoutMark(listing: string): string {
  return listing.replace(/^.* \/\.dockerenv\n/m, "");
}
