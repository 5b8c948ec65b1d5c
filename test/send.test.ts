import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { lacksRequirement, outcomeOf, scratchGraph, type Scratch, smallImage } from "./cli-support.ts";
import { until } from "../src/linux/testing/until.ts";

/** Files that a container is filled with, 12 MiB that do not compress. */
function fill(folder: string, name: string): void {
  let state = 1;
  const data = Buffer.alloc(12 << 20);
  for (let at = 0; at < data.length; at += 4) data.writeUInt32LE((state = Math.imul(state, 0x915f77f5) + 1) >>> 0, at);
  writeFileSync(join(folder, name), data);
}

/** Sends from one graph into another as a shell's pipe does. */
async function pipe(from: Scratch, send: string[], to: Scratch, receive: string[]): Promise<string> {
  const [sender, receiver] = [from.start("send", ...send), to.start("receive", ...receive)];
  sender.stdout!.pipe(receiver.stdin!);
  const told = new Promise<string>((resolve) =>
    sender.stderr!.once("data", (data: Buffer) => resolve(data.toString())),
  );
  const ended = new Promise<number | null>((resolve) => sender.once("exit", resolve));
  const received = await new Promise<{ status: number | null; text: string }>((resolve) => {
    let text = "";
    receiver.stdout!.on("data", (data: Buffer) => (text += data.toString()));
    receiver.stderr!.on("data", (data: Buffer) => (text += data.toString()));
    receiver.once("close", (status) => resolve({ status, text }));
  });
  assert.equal(received.status, 0, received.text);
  if ((await ended) !== 0) assert.fail(await told);
  return received.text;
}

/** Starts a receive, gives it the beginning of a stream, and kills it. */
async function killedReceive(graph: Scratch, stream: Buffer): Promise<void> {
  const receiver = graph.start("receive");
  receiver.stdin!.on("error", () => undefined);
  const ended = new Promise((resolve) => receiver.once("close", resolve));
  receiver.stdin!.write(stream);
  await until("it receives", async () => (await graph.ok("ls")).includes("receiving"));
  await sleep(300); // somewhere in the midst of it
  receiver.kill("SIGKILL");
  await ended;
}

interface Pending {
  name: string;
  offsetBytes: number;
  resume: string | null;
}

test("a container goes to another graph, whole and by increments, over kills on both sides", async (t) => {
  if (lacksRequirement(t)) return;
  const [here, there] = [scratchGraph(t), scratchGraph(t)];
  await here.ok("import", "app", await smallImage(here.folder));
  await here.ok("create", "app", "web");
  fill(await here.ok("mount", "web"), "first");
  await here.ok("snapshot", "web", "monday");
  await there.ok("info");
  const file = join(here.folder, "monday.mica");
  const sent = await here.json<{ streamBytes: number; digest: string }>("send", "monday", "-o", file);
  const stream = readFileSync(file);
  assert.equal(sent.streamBytes, stream.length);
  assert.match((await here.mica("send", "monday", "-o", file)).stderr, /there is something already/);

  await t.test("a receiver that is killed leaves nothing that is not told, and the stream goes on", async () => {
    const half = stream.subarray(0, stream.length >> 1);
    await killedReceive(there, half);
    assert.equal(await there.ok("check"), "No problems found");
    // Killed before a place was made durable: nothing is kept, and it can begin anew.
    assert.deepEqual(
      (await there.json<Pending[]>("receive", "--pending")).map(({ resume }) => resume),
      [null],
    );
    const broken = await outcomeOf(there.start("receive"), half);
    assert.equal(broken.status, 1);
    const [, offset, token] = /is kept up to byte (\d+) .*--resume (\S+)`/.exec(broken.stderr) ?? [];
    assert.ok(Number(offset) > 4 << 20, broken.stderr);
    const [pending] = await there.json<Pending[]>("receive", "--pending");
    assert.deepEqual([pending.name, pending.offsetBytes, pending.resume], ["monday", Number(offset), token]);
    const refused = await outcomeOf(there.start("receive"), stream);
    assert.match(refused.stderr, /has begun before.*is kept up to byte/);
    await pipe(here, ["--resume", token], there, []);
    assert.deepEqual(await there.json("receive", "--pending"), []);
    const received = await there.json<{ name: string; kind: string }[]>("ls");
    assert.deepEqual(received.map(({ kind, name }) => [kind, name]).length, 2);
  });

  await t.test("what came is what was sent", async () => {
    await there.ok("create", "monday", "web");
    const folder = await there.ok("mount", "web");
    const source = await here.ok("mount", "web");
    for (const name of ["first", "etc/name"]) {
      assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(source, name))), name);
    }
    await there.ok("umount", "web");
    await there.ok("rm", "web");
  });

  await t.test("an increment is short, and a container comes out of it", async () => {
    const folder = await here.ok("mount", "web");
    writeFileSync(join(folder, "second"), "changed");
    const size = await here.json<{ streamBytes: number }>(
      "send",
      "web",
      "--from",
      "monday",
      "-o",
      join(here.folder, "x"),
    );
    assert.ok(size.streamBytes < 4 << 20, String(size.streamBytes));
    assert.match(await pipe(here, ["web", "--from", "monday"], there, []), /its image app:latest is not here/);
    assert.equal(readFileSync(join(await there.ok("mount", "web"), "second"), "utf8"), "changed");
    const [mounted] = [await there.mica("mount", "monday")];
    assert.match(mounted.stderr, /it is a snapshot, which stays as it is/);
    assert.match((await there.mica("attach", "monday")).stderr, /sealed/);
    assert.match((await there.mica("diff", "web")).stderr, /Cannot find image/);
    await there.ok("import", "app", join(here.folder, "layout"));
    assert.match(await there.ok("diff", "web"), /A \/second/);
    await there.ok("umount", "web");
  });

  await t.test("a sender that is killed leaves nothing", async () => {
    const sender = here.start("send", "monday");
    await new Promise((resolve) => sender.stdout!.once("readable", resolve));
    const before = (await here.json<unknown[]>("ls")).length;
    sender.kill("SIGKILL");
    await new Promise((resolve) => sender.once("exit", resolve));
    const listed = await here.json<{ kind: string }[]>("ls");
    assert.equal(listed.length, before - 1, "the temporary snapshot is gone");
    assert.equal(await here.ok("check"), "No problems found");
  });

  await t.test("what is not kept leaves nothing when it breaks off, and what is can be thrown away", async () => {
    await here.ok("umount", "web");
    const whole = join(here.folder, "web.mica");
    await here.ok("send", "web", "--compress", "-o", whole);
    const before = (await there.json<unknown[]>("ls")).length;
    const broken = await outcomeOf(there.start("receive", "other"), readFileSync(whole).subarray(0, 3 << 20));
    assert.match(broken.stderr, /broke off after 3145728 bytes\n/);
    await here.ok("snapshot", "web", "tuesday");
    await here.ok("send", "tuesday", "-o", join(here.folder, "tuesday.mica"));
    await outcomeOf(there.start("receive"), readFileSync(join(here.folder, "tuesday.mica")).subarray(0, 6 << 20));
    assert.equal((await there.json<unknown[]>("ls")).length, before + 1);
    await there.ok("receive", "--discard", "tuesday");
    assert.equal((await there.json<unknown[]>("ls")).length, before);
    assert.match((await there.mica("receive", "--discard", "tuesday")).stderr, /there is none of that name/);
    for (const graph of [here, there]) assert.equal(await graph.ok("check"), "No problems found");
  });

  await t.test("and what is no stream is refused", async () => {
    const status = async (input: Buffer): Promise<string> => (await outcomeOf(there.start("receive"), input)).stderr;
    assert.match(await status(Buffer.alloc(100)), /the input is no stream of `mica send`/);
    assert.match(await status(Buffer.alloc(0)), /broke off after 0 bytes/);
    assert.match((await here.mica("send", "web", "--resume", "x")).stderr, /not both/);
    assert.match((await here.mica("send", "--resume", "mica1.x")).stderr, /Copy all of it/);
  });
});
