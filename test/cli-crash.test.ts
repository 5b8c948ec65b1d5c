import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import { lacksRequirement, run, scratchGraph, smallImage } from "./cli-support.ts";
import { until } from "../src/linux/testing/until.ts";
import type { Scratch } from "./cli-support.ts";
import type { ImageSummary } from "../src/index.ts";

/** A tar that takes a while to import. */
async function largeTar(scratch: Scratch): Promise<string> {
  const folder = join(scratch.folder, "large");
  mkdirSync(folder);
  for (let file = 0; file < 150; file++) writeFileSync(join(folder, `file-${file}`), randomBytes(100_000));
  const tar = join(scratch.folder, "large.tar");
  const { status } = await run("tar", ["-C", folder, "-cf", tar, "."]);
  assert.equal(status, 0);
  return tar;
}

/** What a graph holds, without what was made for a moment. */
async function kinds(scratch: Scratch): Promise<string[]> {
  return (await scratch.json<{ kind: string }[]>("ls")).map(({ kind }) => kind);
}

suite("commands that end early, or meet", { timeout: 600_000 }, () => {
  test("Ctrl-C during an import removes what it had made, with status 130", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("info");
    await smallImage(scratch.folder);
    const packed = await run("tar", [
      "-C",
      join(scratch.folder, "lower"),
      "-cf",
      join(scratch.folder, "lower.tar"),
      ".",
    ]);
    assert.equal(packed.status, 0, packed.stderr);
    const start = readFileSync(join(scratch.folder, "lower.tar")).subarray(0, 100_000);
    const child = scratch.start("import", "large", "-");
    const outcome = outcomeOfOpenInput(child);
    child.stdin!.on("error", () => undefined);
    child.stdin!.write(start);
    await sleep(1500);
    child.kill("SIGINT");
    const { status, stderr } = await outcome;
    assert.equal(status, 130, stderr);
    assert.deepEqual(await kinds(scratch), ["base"]);
    assert.equal(await scratch.ok("check"), "No problems found");
  });

  test("Ctrl-C while the graph is still being made ends an import as cleanly", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const child = scratch.start("import", "large", "-");
    const outcome = outcomeOfOpenInput(child);
    await until("the graph is being made", () => existsSync(join(scratch.root, "devicemapper")));
    child.kill("SIGINT");
    assert.deepEqual(await outcome, { status: 130, stderr: "" });
    assert.deepEqual(await kinds(scratch), ["base"]);
    assert.equal(await scratch.ok("check"), "No problems found");
  });

  test("an import killed at any moment leaves nothing once the next command has run", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("info");
    const tar = await largeTar(scratch);
    for (const delay of [250, 500, 1000]) {
      const child = scratch.start("import", "large", tar);
      const ended = once(child, "exit");
      await sleep(delay);
      child.kill("SIGKILL");
      await ended;
      const images = await scratch.json<ImageSummary[]>("images");
      if (images.length > 0) await scratch.ok("rmi", "large");
      // Its helper that unpacks may live a moment longer, and with it the device, marked to be deleted.
      await until("it is gone", async () => (await kinds(scratch)).length === 1);
      assert.deepEqual(await kinds(scratch), ["base"], `killed after ${delay} ms`);
      assert.equal(await scratch.ok("check"), "No problems found", `killed after ${delay} ms`);
    }
    await scratch.ok("import", "large", tar);
  });

  test("create, mount, umount and rm killed at any moment leave a graph that goes on", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("import", "app", await smallImage(scratch.folder));
    for (const delay of [220, 300, 380]) {
      for (const words of [
        ["create", "app", "web"],
        ["mount", "web"],
        ["umount", "web"],
        ["rm", "web"],
      ]) {
        const child = scratch.start(...words);
        const ended = once(child, "exit");
        await sleep(delay);
        child.kill("SIGKILL");
        await ended;
        assert.equal(
          await scratch.ok("check"),
          "No problems found",
          `mica ${words.join(" ")} killed after ${delay} ms`,
        );
      }
      await scratch.mica("umount", "web");
      await scratch.mica("rm", "web");
      await scratch.ok("create", "app", "web");
      await scratch.ok("mount", "web");
      await scratch.ok("umount", "web");
      await scratch.ok("rm", "web");
    }
  });

  test("many commands at once on one graph all work", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const layout = await smallImage(scratch.folder);
    await scratch.ok("info");
    const [first, second] = await Promise.all([
      scratch.ok("import", "one", layout),
      scratch.ok("import", "two", layout),
    ]);
    assert.equal(first, second, "the same image, twice at once");
    const names = ["a", "b", "c", "d", "e", "f"];
    await Promise.all(names.map((name) => scratch.ok("create", "one", name)));
    const paths = await Promise.all(names.map((name) => scratch.ok("mount", name)));
    assert.equal(new Set(paths).size, names.length);
    for (const [index, path] of paths.entries()) writeFileSync(join(path, "mine"), names[index]);
    const diffs = await Promise.all(names.map((name) => scratch.ok("diff", name)));
    assert.ok(diffs.every((diff) => diff === "A /mine"));
    await Promise.all(names.map((name) => scratch.ok("umount", name)));
    await Promise.all([...names.map((name) => scratch.ok("rm", name)), scratch.ok("ls"), scratch.ok("check")]);
    assert.deepEqual(await kinds(scratch), ["base", "layer", "layer"]);
    assert.equal(await scratch.ok("check"), "No problems found");
  });

  test("two first commands at once make one graph", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const [a, b] = await Promise.all([scratch.json("info"), scratch.json("info")]);
    assert.deepEqual((a as Record<string, string>)["Pool Name"], (b as Record<string, string>)["Pool Name"]);
    assert.deepEqual(await kinds(scratch), ["base"]);
  });

  test("shutdown leaves nothing mounted, attached or running, and loses nothing", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    await scratch.ok("import", "app", await smallImage(scratch.folder));
    await scratch.ok("create", "app", "web");
    await scratch.ok("create", "app", "raw");
    writeFileSync(join(await scratch.ok("mount", "web"), "kept"), "kept\n");
    await scratch.ok("attach", "raw");
    await scratch.ok("shutdown");
    assert.deepEqual(scratch.leftovers(), []);
    const thinCheck = await run("thin_check", [join(scratch.root, "devicemapper/metadata")]);
    assert.equal(thinCheck.status, 0, thinCheck.stderr);
    assert.equal(await scratch.ok("diff", "web"), "A /kept");
    await scratch.ok("shutdown");
    await scratch.ok("shutdown");
    assert.deepEqual(scratch.leftovers(), []);
  });
});

/** As outcomeOf, but leaves standard input open. */
async function outcomeOfOpenInput(
  child: ReturnType<Scratch["start"]>,
): Promise<{ status: number | null; stderr: string }> {
  const chunks: Buffer[] = [];
  child.stderr!.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdout!.resume();
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stderr: Buffer.concat(chunks).toString() };
}
