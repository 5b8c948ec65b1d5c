import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { outcomeOf, run } from "./cli-support.ts";
import { build, contents, threeLayers, writeBuildContext } from "./docker-image.ts";
import { dockerOnMica, type DockerOnMica } from "./docker-on-mica.ts";

suite("Docker's commands on Mica", { timeout: 300_000 }, () => {
  test("each does what it does on Docker's own drivers", async (t) => {
    const docker = await dockerOnMica(t);
    if (docker === undefined) return;
    const { engine, folder } = docker;
    const context = writeBuildContext(join(folder, "context"), threeLayers);
    await build(engine, context, "three");

    await t.test("info shows the driver, and the pool's status", async () => {
      const info = JSON.parse(await engine.ok("info", "--format", "{{json .}}")) as DockerInfo;
      assert.equal(info.Driver, docker.driver);
      const status = new Map(info.DriverStatus);
      assert.deepEqual([...status.keys()].slice(0, 4), [
        "Pool Name",
        "Pool Blocksize",
        "Base Device Size",
        "Backing Filesystem",
      ]);
      assert.equal(status.get("Base Device Size"), "268.4MB");
      assert.match(status.get("Data Space Used") ?? "", /^[\d.]+ ?[MG]B$/);
    });

    await t.test("run, exec, diff, cp, commit, rm", async () => {
      const name = await startBox(docker, "box");
      await engine.ok(
        "exec",
        name,
        "sh",
        "-c",
        "echo new > /data/new && rm /data/many/file-1 && echo x >> /data/large",
      );
      assert.deepEqual((await engine.ok("diff", name)).split("\n").sort(), [
        "A /data/new",
        "C /data",
        "C /data/large",
        "C /data/many",
        "D /data/many/file-1",
      ]);
      const file = join(folder, "copied");
      await engine.ok("cp", `${name}:/data/many/file-2`, file);
      assert.deepEqual(readFileSync(file), readFileSync(join(context, "data/many/file-2")));
      writeFileSync(file, randomBytes(100_000));
      await engine.ok("cp", file, `${name}:/tmp/into`);
      await engine.ok("stop", "--time", "1", name);
      await engine.ok("cp", `${name}:/tmp/into`, join(folder, "back"));
      assert.deepEqual(readFileSync(join(folder, "back")), readFileSync(file));
      await engine.ok("start", name);
      const before = await contents(engine, name);
      await engine.ok("commit", name, "committed");
      await engine.ok("rm", "--force", name);
      const again = await startBox(docker, "again", "committed");
      assert.equal(withoutMark(await contents(engine, again)), withoutMark(before));
      await engine.ok("rm", "--force", again);
    });

    await t.test("save and load: the same image, byte for byte", async () => {
      const [before, id] = [await contentsOf(docker, "three"), await imageId(docker, "three")];
      const archive = join(folder, "three.tar");
      await engine.ok("save", "--output", archive, "three");
      await engine.ok("rmi", "--force", "three", "committed");
      await engine.ok("image", "prune", "--force", "--all");
      assert.equal(await engine.ok("images", "--quiet", "--all"), "");
      await engine.ok("load", "--input", archive);
      assert.equal(await imageId(docker, "three"), id);
      assert.equal(await contentsOf(docker, "three"), before);
    });

    await t.test("export and import: a container's files as an image of one layer", async () => {
      const name = await startBox(docker, "exported");
      const before = await contents(engine, name);
      const tar = join(folder, "exported.tar");
      await engine.ok("export", "--output", tar, name);
      await engine.ok("import", tar, "imported");
      const imported = await startBox(docker, "imported", "imported");
      assert.equal(withoutMark(await contents(engine, imported)), withoutMark(before));
      await engine.ok("rm", "--force", name, imported);
      await engine.ok("rmi", "imported");
      const { stdout } = await run("tar", ["-tf", tar]);
      assert.match(stdout, /^data\/linked$/m);
    });

    await t.test("--storage-opt size= makes a container's file system larger, and refuses a smaller one", async () => {
      const run = (...options: string[]) =>
        engine.docker("run", "--rm", "--network", "none", ...options, "three", "sh", "-c", "df -k / | tail -n 1");
      const usual = kilobytes((await run()).stdout);
      const large = kilobytes((await run("--storage-opt", "size=1G")).stdout);
      assert.ok(usual > 200_000 && usual < 262_144, `${usual} KiB`);
      assert.ok(large > 900_000 && large < 1_048_576, `${large} KiB`);
      const small = await run("--storage-opt", "size=100M");
      assert.notEqual(small.status, 0);
      assert.match(small.stderr, /smaller/);
      const unknown = await run("--storage-opt", "sise=1G");
      assert.match(unknown.stderr, /unknown option/);
    });

    await t.test("a load that is cut off leaves no half layer", async () => {
      const archive = join(folder, "three.tar");
      await engine.ok("rmi", "three");
      const before = await devicesOf(docker);
      const tar = readFileSync(archive);
      for (const part of [0.3, 0.6, 0.9]) {
        const client = engine.client("load");
        const { status } = await outcomeOf(client, tar.subarray(0, tar.length * part));
        assert.notEqual(status, 0);
      }
      assert.equal(await engine.ok("images", "--quiet", "--all"), "");
      assert.deepEqual(await devicesOf(docker), before);
      await engine.ok("load", "--input", archive);
      rmSync(archive);
    });

    await engine.ok("rmi", "three");
    assert.deepEqual(await devicesOf(docker), ["base"]);
    assert.equal((await docker.daemon.mica("check")).stdout, "No problems found\n");
    assert.deepEqual(await docker.end(), []);
  });
});

interface DockerInfo {
  Driver: string;
  DriverStatus: [string, string][];
}

/** Starts a container that does nothing. @returns its name */
async function startBox({ engine }: DockerOnMica, name: string, image = "three"): Promise<string> {
  await engine.ok("run", "--detach", "--network", "none", "--name", name, image, "/bin/sleep", "1000");
  return name;
}

async function contentsOf(docker: DockerOnMica, image: string): Promise<string> {
  const name = await startBox(docker, "contents", image);
  const listing = await contents(docker.engine, name);
  await docker.engine.ok("rm", "--force", name);
  return withoutMark(listing);
}

/** Without what Docker itself makes in each container. */
function withoutMark(listing: string): string {
  return listing.replace(/^.* \/\.dockerenv\n/m, "");
}

async function imageId({ engine }: DockerOnMica, image: string): Promise<string> {
  return engine.ok("inspect", "--format", "{{.Id}}", image);
}

async function devicesOf({ daemon }: DockerOnMica): Promise<string[]> {
  const { stdout } = await daemon.mica("--json", "ls");
  return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => (id === "" ? "base" : id)).sort();
}

/** The size column of df. */
function kilobytes(line: string): number {
  return Number(line.trim().split(/\s+/)[1]);
}
