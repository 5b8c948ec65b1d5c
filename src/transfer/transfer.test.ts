import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { inKernel } from "../graph/testing/test-mapper.ts";
import { findContainer } from "../image/find-container.ts";
import { seededRandom } from "../thin/metadata.testing.ts";
import { discardReceive, pendingReceives } from "./interrupted-receive.ts";
import type { ReceivedContainer } from "./receive.ts";
import { sendContainer } from "./send.ts";
import { formatResumeToken, parseResumeToken } from "./resume-token.ts";
import { assertSameBytes, type DeviceChange, type TransferGraph, transferGraph } from "./testing/transfer-graph.ts";

const MiB = 2 ** 20;
const block = 65536;

/** Writes here and there, some of it zeroes, and discards. */
function scribble(device: DeviceChange, sizeBytes: number, seed: number): void {
  const random = seededRandom(seed);
  for (let count = 0; count < 60; count++) {
    const length = 512 * (1 + random(300));
    const offset = 512 * random((sizeBytes - length) / 512);
    if (count % 6 === 5) device.discard(offset, length);
    else device.write(offset, count % 6 === 4 ? Buffer.alloc(length) : randomBytes(length));
  }
}

/** Two graphs, of pools with blocks of different sizes. */
async function twoGraphs(t: TestContext): Promise<[TransferGraph, TransferGraph] | undefined> {
  const [here, there] = [await transferGraph(t), await transferGraph(t, "dm.blocksize=256K")];
  return here === undefined || there === undefined ? undefined : [here, there];
}

test("what was sent is received byte for byte, plain and compressed, into blocks of other sizes", async (t) => {
  const graphs = await twoGraphs(t);
  if (graphs === undefined) return;
  const [here, there] = graphs;
  const sizeBytes = 40 * MiB + 512;
  await here.container("web", sizeBytes);
  await here.container("empty", 8 * MiB);
  await here.change("web", (device) => {
    scribble(device, sizeBytes, 1);
    device.write(sizeBytes - 1024, Buffer.from("the end".padEnd(1024, "!")));
    device.write(5 * MiB, Buffer.alloc(3 * MiB, "compresses well "));
  });
  const [plain, compressed] = [await here.send("web"), await here.send("web", { compression: "deflate" })];
  assert.ok(compressed.length < plain.length - 2 * MiB);
  for (const [name, stream] of [
    ["plain", plain],
    ["compressed", compressed],
  ] as const) {
    const received: ReceivedContainer = await there.receive(stream, { name });
    assert.deepEqual(
      { ...received, id: "", digest: "" },
      {
        id: "",
        name,
        snapshot: undefined,
        image: "app:1",
        imageId: `sha256:${"7".repeat(64)}`,
        imageMissing: true,
        streamBytes: stream.length,
        digest: "",
      },
    );
    assert.deepEqual(findContainer(there.context.files, name).config, { Cmd: ["/bin/true"] });
    await assertSameBytes(here, "web", there, name);
  }
  const none = await here.send("empty");
  assert.ok(none.length < 4096);
  await there.receive(none);
  await assertSameBytes(here, "empty", there);
  await assert.rejects(there.receive(plain, { name: "plain" }), { code: "exists" });
  await assert.rejects(there.receive(plain, { name: "../plain" }), { code: "invalid" });
  assert.equal((await here.deviceIds()).length, 2, "no temporary snapshot is left");
  assert.equal((await there.deviceIds()).length, 3);
  for (const graph of [here, there]) assert.deepEqual(await graph.devices.check(), []);
});

test("increments follow one another, over discards and growth, and only on their base", async (t) => {
  const graphs = await twoGraphs(t);
  if (graphs === undefined) return;
  const [here, there] = graphs;
  let sizeBytes = 24 * MiB;
  await here.container("web", sizeBytes);
  await here.change("web", (device) => device.write(0, randomBytes(12 * MiB)));
  await here.snapshot("web", "day0");
  await there.receive(await here.send("day0"));
  let name = "web";
  for (const day of [1, 2, 3]) {
    await here.change(name, (device) => {
      scribble(device, sizeBytes, 10 + day);
      device.discard(day * 2 * MiB, MiB);
      device.write(day * 2 * MiB + block / 2, Buffer.alloc(2 * block)); // zeroes where there was data
    });
    if (day === 2) {
      name = "grown";
      const grown = await here.container(name, MiB);
      await here.devices.remove(grown);
      await here.devices.create(grown, here.deviceOf("web"), { sizeBytes: 2 * sizeBytes, contents: "as they are" });
      sizeBytes *= 2;
    }
    await here.snapshot(name, `day${day}`);
    const increment = await here.send(`day${day}`, { from: `day${day - 1}` });
    if (day === 1) {
      const base = findContainer(there.context.files, "day0");
      there.context.files.writeContainer({ ...base, snapshot: "0".repeat(64) }); // another, of the same name
      await assert.rejects(there.receive(increment), { code: "wrong-base", message: /increment on snapshot day0/ });
      there.context.files.writeContainer(base);
      assert.equal((await there.deviceIds()).length, 1);
    }
    await there.receive(increment);
    await assert.rejects(there.receive(increment, { name: "again" }), { code: "exists", message: /container day/ });
    await assertSameBytes(here, `day${day}`, there);
    await assertSameBytes(here, `day${day - 1}`, there);
  }
  const unchanged = await here.send("day3", { from: "day3" });
  assert.ok(unchanged.length < 4096);
  const back = await here.send("day0", { from: "day1" });
  await assert.rejects(there.receive(back, { name: "back" }), { code: "exists" });
  await assert.rejects(here.send("day0", { from: "day3" }), { code: "invalid", message: /smaller/ });
  await assert.rejects(here.send("day1", { from: "web" }), { code: "invalid", message: /mica snapshot web NAME/ });
  await assert.rejects(there.devices.get(there.deviceOf("day1")), { code: "EROFS" });
  await assert.rejects(there.devices.activate(there.deviceOf("day1")), { code: "EROFS" });
  for (const graph of [here, there]) assert.deepEqual(await graph.devices.check(), []);
});

test("a container that is mounted and written to is sent as it is at a moment", async (t) => {
  const graphs = await twoGraphs(t);
  if (graphs === undefined) return;
  const [here, there] = graphs;
  const device = await here.container("web");
  const folder = await here.devices.get(device);
  const content = randomBytes(3 * MiB);
  writeFileSync(join(folder, "before"), content);
  await here.snapshot("web", "monday");
  writeFileSync(join(folder, "after"), content);
  await there.receive(await here.send("monday"));
  await there.receive(await here.send("web", { from: "monday" }), { name: "web" });
  writeFileSync(join(folder, "later"), content);
  await here.devices.put(device);
  const received = there.deviceOf("web");
  const itsFolder = await there.devices.get(received);
  for (const file of ["before", "after"]) assert.deepEqual(readFileSync(join(itsFolder, file)), content);
  assert.throws(() => readFileSync(join(itsFolder, "later")), { code: "ENOENT" });
  await there.devices.put(received);
  execFileSync("e2fsck", ["-fn", await there.devices.activate(received)], { stdio: "pipe" });
  await there.devices.deactivate(received);
  await assertSameBytes(here, "monday", there);
  for (const graph of [here, there]) assert.deepEqual(await graph.devices.check(), []);
});

test("aborted before its first byte, a send says so, and leaves no snapshot", async (t) => {
  const here = await transferGraph(t);
  if (here === undefined) return;
  await here.container("web", MiB);
  const file = join(here.devices.root, "stream");
  const abort = new AbortController();
  const sending = sendContainer(here.context, "web", createWriteStream(file), { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(sending, /enough/);
  assert.equal((await here.deviceIds()).length, 1);
});

test("broken off at any byte, a stream goes on and gives the same; one that is damaged leaves nothing", async (t) => {
  const graphs = await twoGraphs(t);
  if (graphs === undefined) return;
  const [here, there] = graphs;
  const sizeBytes = 12 * MiB;
  await here.container("web", sizeBytes);
  await here.change("web", (device) => device.write(0, randomBytes(6 * MiB)));
  await here.snapshot("web", "base");
  await here.change("web", (device) => {
    for (let at = 0; at < 24; at++) device.write(at * 8 * block + 512 * at, randomBytes(block));
    device.discard(3 * MiB, MiB);
  });
  await here.snapshot("web", "next");
  await there.receive(await here.send("base"));
  const options = { from: "base" };
  const stream = await here.send("next", options);
  const { digest } = await there.receive(stream);
  await there.devices.remove(there.deviceOf("next"));
  there.context.files.deleteContainer(findContainer(there.context.files, "next"));

  const random = seededRandom(5);
  // A kernel that is booted for tests takes its time.
  const rounds = inKernel ? 2 : 8;
  for (let round = 0; round < rounds; round++) {
    // Broken off once, or twice, at once or after a while.
    let part = stream;
    for (let breaks = 1 + (round % 2); breaks > 0; breaks--) {
      const end = round === 0 ? 20 : random(part.length);
      await assert.rejects(there.receive(part.subarray(0, end)), { code: "truncated" });
      const resume = pendingReceives(there.devices.root).at(0)?.resume;
      if (resume === undefined) continue;
      part = await here.send(undefined, { resume });
      if (breaks > 1) await assert.rejects(there.receive(stream), { code: "exists", message: /--resume mica1/ });
    }
    assert.equal((await there.receive(part)).digest, digest);
    await assertSameBytes(here, "next", there);
    await assertSameBytes(here, "base", there);
    assert.deepEqual(pendingReceives(there.devices.root), []);
    await there.devices.remove(there.deviceOf("next"));
    there.context.files.deleteContainer(findContainer(there.context.files, "next"));
  }

  await assert.rejects(there.receive(stream.subarray(0, stream.length - 100)), { code: "truncated" });
  const [pending] = pendingReceives(there.devices.root);
  const rest = await here.send(undefined, { resume: pending.resume });
  assert.ok(rest.length < 4096, "all that is missing is the end");
  const other = parseResumeToken(pending.resume!);
  const earlier = formatResumeToken({ ...other, position: { ...other.position, offsetBytes: 0 } });
  await assert.rejects(there.receive(await here.send(undefined, { resume: earlier })), {
    code: "invalid",
    message: /Use the token/,
  });
  assert.equal((await discardReceive(there.context, "next")).snapshot, pending.snapshot);
  await assert.rejects(there.receive(rest), { code: "invalid", message: /Send it from the beginning/ });

  const whole = await here.send("web");
  for (let round = 0; round < rounds / 2; round++) {
    const damaged = Buffer.from(whole);
    damaged[random(whole.length)] ^= 1;
    await assert.rejects(there.receive(damaged, { name: "damaged" }));
  }
  assert.deepEqual((await there.deviceIds()).length, 1);
  for (const graph of [here, there]) assert.deepEqual(await graph.devices.check(), []);
});
