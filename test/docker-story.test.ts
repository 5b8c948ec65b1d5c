import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { suite, test } from "node:test";
import { outcomeOf, type Outcome } from "./cli-support.ts";
import { build, contents, threeLayers, writeBuildContext } from "./docker-image.ts";
import { dockerOnMica, type DockerOnMica } from "./docker-on-mica.ts";
import { registryFor, type Registry } from "./docker-registry.ts";

const numbers = Array.from({ length: 10 }, (_, n) => n);

suite("Docker on Mica", { timeout: 300_000 }, () => {
  test("ten containers of a three-layer image, written to, committed, pushed, wiped and pulled again, while what serves them is killed", async (t) => {
    const docker = await dockerOnMica(t);
    const registry = docker && (await registryFor(t));
    if (docker === undefined || registry === undefined) return;
    const { engine, daemon } = docker;
    await build(engine, writeBuildContext(join(docker.folder, "context"), threeLayers), "story");

    await Promise.all(numbers.map((n) => start(docker, `box-${n}`, "story")));
    const writers = await Promise.all(numbers.map((n) => startWriting(docker, n)));
    await daemon.kill();
    daemon.killEngine();
    await daemon.start();
    for (const { outcome } of writers) assert.equal((await outcome).status, 0, (await outcome).stdout);
    const written = await Promise.all(numbers.map((n) => contents(engine, `box-${n}`)));
    assert.equal(new Set(written).size, numbers.length);
    assert.match(written[3], /\/data\/own-3$/m);
    assert.doesNotMatch(written[3], /\/data\/(gone|own-4|many\/file-3)$/m);

    const committing = numbers.map((n) => engine.ok("commit", `box-${n}`, imageOf(registry, n)));
    daemon.killEngine();
    await Promise.all(committing);
    for (const n of numbers) await engine.ok("push", "--quiet", imageOf(registry, n));
    assert.deepEqual(await Promise.all(numbers.map((n) => contents(engine, `box-${n}`))), written);

    await engine.ok("rm", "--force", ...numbers.map((n) => `box-${n}`));
    await engine.ok("rmi", "story", ...numbers.map((n) => imageOf(registry, n)));
    await engine.ok("image", "prune", "--force", "--all");
    assert.deepEqual(await devicesOf(docker), ["base"]);

    for (const n of numbers) await engine.ok("pull", "--quiet", imageOf(registry, n));
    await Promise.all(numbers.map((n) => start(docker, `again-${n}`, imageOf(registry, n))));
    const pulled = await Promise.all(numbers.map((n) => contents(engine, `again-${n}`)));
    for (const n of numbers) assert.deepEqual(withoutMarks(pulled[n]), withoutMarks(written[n]));
    assert.equal((await daemon.mica("check")).stdout, "No problems found\n");
    assert.deepEqual(await docker.end(), []);
  });
});

async function start({ engine }: DockerOnMica, name: string, image: string): Promise<void> {
  await engine.ok("run", "--detach", "--network", "none", "--name", name, image, "sleep", "1000");
}

/** Begins to write in the container of that number. @returns once it writes: what will come of it */
async function startWriting({ engine }: DockerOnMica, n: number): Promise<{ outcome: Promise<Outcome> }> {
  const client = engine.client("exec", `box-${n}`, "sh", "-c", writes(n));
  const outcome = outcomeOf(client);
  await Promise.race([once(client.stdout!, "data"), outcome]);
  return { outcome };
}

/** What the container of that number does: files of its own, synced and not, one changed, one deleted, one renamed. */
function writes(n: number): string {
  return [
    "echo started",
    `for i in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=/data/own-${n} bs=64k count=4 seek=$((i * 4)) conv=fsync,notrunc 2>&1`,
    `echo ${n} >> /data/changed; done`,
    `rm /data/many/file-${n}`,
    `mv /data/many/file-1${n} /tmp/moved-${n}`,
    `dd if=/dev/urandom of=/data/large bs=1k count=10 seek=${n} conv=notrunc 2>&1`,
  ].join(" && ");
}

function imageOf({ address }: Registry, n: number): string {
  return `${address}/story:${n}`;
}

async function devicesOf({ daemon }: DockerOnMica): Promise<string[]> {
  const { stdout } = await daemon.mica("--json", "ls");
  return (JSON.parse(stdout) as { kind: string }[]).map(({ kind }) => kind);
}

/** Without what Docker itself makes in each container. */
function withoutMarks(listing: string): string[] {
  return listing.split("\n").filter((line) => !/ \/(\.dockerenv|dev|proc|sys|etc)$/.test(line));
}
