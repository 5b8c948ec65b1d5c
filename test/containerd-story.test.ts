import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { parse as parseToml } from "smol-toml";
import { packageFile } from "../src/linux/package-root.ts";
import { outcomeOf } from "./cli-support.ts";
import { missingForContainerd } from "./containerd-engine.ts";
import { listContents, writeThreeLayers } from "./containerd-image.ts";
import { containerdOnMica, untilGone, type ContainerdOnMica } from "./containerd-on-mica.ts";
import { registryFor } from "./docker-registry.ts";

const image = "example.com/three:1";
const numbers = Array.from({ length: 10 }, (_, n) => n);
const onMica = ["--snapshotter", "mica"];

let execs = 0;

suite("containerd on Mica", { timeout: 300_000 }, () => {
  test("ten containers of a three-layer image, written to, committed, pushed, wiped and pulled again, while what serves them is killed", async (t) => {
    const engine = await containerdOnMica(t);
    const registry = engine && (await registryFor(t));
    if (engine === undefined || registry === undefined) return;
    const { containerd, daemon } = engine;
    await containerd.ok("images", "import", ...onMica, writeThreeLayers(engine.folder, image));

    await Promise.all(numbers.map((n) => run(engine, `box-${n}`)));
    const writing = numbers.map((n) => exec(engine, `box-${n}`, writes(n)));
    await daemon.kill();
    daemon.killEngine();
    await daemon.start();
    await Promise.all(writing);
    await containerd.kill();
    await containerd.start();
    const written = await Promise.all(numbers.map((n) => exec(engine, `box-${n}`, listContents)));
    assert.equal(new Set(written).size, numbers.length);
    assert.match(written[3], /\/data\/own-3$/m);
    assert.doesNotMatch(written[3], /\/data\/(gone|own-4|many\/file-3)$/m);
    assert.match(written[3], /^89e8 12 34 6 \/data\/owned$/m);

    // A container becomes a snapshot that another one begins as.
    daemon.killEngine();
    await containerd.ok("task", "rm", "--force", "box-3");
    const plainTar = ["--media-type", "application/vnd.oci.image.layer.v1.tar"];
    const diff = await containerd.ok("snapshots", ...onMica, "diff", ...plainTar, "box-3");
    assert.ok(diff.includes("data/own-3"), "the layer's tar has what was written");
    await containerd.ok("snapshots", ...onMica, "commit", "committed", "box-3");
    await containerd.ok("container", "rm", "box-3");
    await containerd.ok("snapshots", ...onMica, "prepare", "again", "committed");
    const folder = await mounted(engine, "again");
    await containerd.ok(
      "run",
      "--rootfs",
      "--env",
      "PATH=/bin",
      "--null-io",
      "--detach",
      folder,
      "again",
      "/bin/sleep",
      "1000",
    );
    assert.equal(await exec(engine, "again", listContents), written[3]);
    await end(engine, "again");
    assert.equal((await outcomeOf(spawn("umount", [folder]))).status, 0);

    const pushed = `${registry.address}/three:1`;
    await containerd.ok("images", "tag", image, pushed);
    await containerd.ok("images", "push", "--plain-http", pushed);
    for (const n of numbers) if (n !== 3) await end(engine, `box-${n}`);
    await containerd.ok("images", "rm", "--sync", image, pushed);
    await containerd.ok("snapshots", ...onMica, "rm", "again", "committed");
    await untilGone(engine);

    // Unpacked by four at once, each in a namespace that the others do not see.
    const namespaces = ["one", "two", "three", "four"];
    const pulls = namespaces.map((name) => containerd.ctrIn(name, "images", "pull", "--plain-http", ...onMica, pushed));
    for (const { status, stderr } of await Promise.all(pulls)) assert.equal(status, 0, stderr);
    await containerd.ok("images", "pull", "--plain-http", ...onMica, pushed);
    await containerd.ok("run", ...onMica, "--null-io", "--detach", pushed, "pulled", "sleep", "1000");
    await exec(engine, "pulled", writes(3));
    assert.equal(await exec(engine, "pulled", listContents), written[3]);

    assert.equal((await daemon.mica("check")).stdout, "No problems found\n");
    assert.deepEqual(await engine.end(), []);
  });
});

test("the drop-in for containerd's configuration is what containerd reads", (t) => {
  const missing = missingForContainerd();
  if (missing !== undefined) return t.skip(missing);
  const folder = mkdtempSync(join(tmpdir(), "mica-drop-in-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "config.toml");
  writeFileSync(file, `version = 2\nimports = ["${packageFile("packaging/containerd")}/*.toml"]\n`);
  const dump = execFileSync("/usr/bin/containerd", ["--config", file, "config", "dump"], { encoding: "utf8" });
  const { proxy_plugins: proxies } = parseToml(dump) as { proxy_plugins: Record<string, unknown> };
  assert.deepEqual(structuredClone(proxies), { mica: { address: "/run/mica/containerd.sock", type: "snapshot" } });
  assert.match(dump, /^\s+snapshotter = "mica"$/m);
});

async function run({ containerd }: ContainerdOnMica, name: string): Promise<void> {
  await containerd.ok("run", ...onMica, "--null-io", "--detach", image, name, "sleep", "1000");
}

function exec({ containerd }: ContainerdOnMica, container: string, script: string): Promise<string> {
  return containerd.ok("task", "exec", "--exec-id", `exec-${execs++}`, container, "sh", "-c", script);
}

/** Ends a container and removes it with its snapshot. */
async function end({ containerd }: ContainerdOnMica, container: string): Promise<void> {
  await containerd.ok("task", "rm", "--force", container);
  await containerd.ok("container", "rm", container);
}

/** Mounts a snapshot by the command that containerd tells for it. */
async function mounted({ containerd, folder }: ContainerdOnMica, snapshot: string): Promise<string> {
  const target = join(folder, `mounted-${snapshot}`);
  mkdirSync(target);
  const command = await containerd.ok("snapshots", ...onMica, "mounts", target, snapshot);
  const { status, stderr } = await outcomeOf(spawn("sh", ["-c", command]));
  assert.equal(status, 0, stderr);
  return target;
}

/** What the container of that number does: files of its own, synced and not, one changed, one deleted, one renamed. */
function writes(n: number): string {
  return [
    `for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/data/own-${n} bs=64k count=4 seek=$((i * 4)) conv=fsync,notrunc 2>&1`,
    `echo ${n} >> /data/changed; done`,
    `rm /data/many/file-${n}`,
    `mv /data/many/file-1${n} /tmp/moved-${n}`,
    `dd if=/dev/zero of=/data/large bs=1k count=10 seek=${n} conv=notrunc 2>&1`,
  ].join(" && ");
}
