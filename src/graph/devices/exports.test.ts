import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Allocation, Command, CommandFlag, NbdError } from "../../block-device/nbd/nbd-protocol.ts";
import { NbdClient } from "../../block-device/nbd/testing/nbd-client.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";
import { testGraph } from "../testing/test-graph.ts";

const MIB = 1 << 20;

test("a device is exported, written to and mounted again; its holes are told where the device mapper knows them", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  const socket = join(scratchFolder(t), "disk.sock");
  await set.create("disk");
  const exported = await set.export("disk", { socket, name: "a disk" });
  assert.deepEqual(exported, { blockDevice: exported.blockDevice, socket, access: "read-write", name: "a disk" });
  assert.equal(statSync(socket).mode & 0o777, 0o600);
  assert.equal((await set.device("disk"))?.exportSocket, socket);

  const client = await NbdClient.open(socket);
  const data = Buffer.alloc(MIB, "mica");
  const place = { offset: 300 * MIB, length: MIB };
  assert.equal((await client.ask(Command.WRITE, { ...place, flags: CommandFlag.FUA }, data)).error, 0);
  assert.equal((await client.ask(Command.WRITE, { offset: 302 * MIB + 77, length: 5 }, Buffer.from("hello"))).error, 0);
  assert.equal((await client.ask(Command.FLUSH)).error, 0);
  assert.ok((await client.ask(Command.READ, place)).payload.subarray(8).equals(data));
  const status = await client.ask(Command.BLOCK_STATUS, { offset: 299 * MIB, length: 3 * MIB });
  const extents = Array.from({ length: (status.payload.length - 4) / 8 }, (_, index) => [
    status.payload.readUInt32BE(4 + 8 * index) / MIB,
    status.payload.readUInt32BE(8 + 8 * index),
  ]);
  const hole = Allocation.HOLE | Allocation.ZERO;
  if (graph.mapper.kind === "kernel") assert.deepEqual(extents, [[3, 0]]);
  else assert.deepEqual(extents, [[1, hole], [1, 0], [1, hole]]); // prettier-ignore
  assert.equal((await client.ask(Command.WRITE_ZEROES, { offset: 300 * MIB + 1, length: MIB })).error, 0);
  assert.equal((await client.ask(Command.TRIM, { offset: 302 * MIB, length: MIB })).error, 0);
  const read = await client.data(300 * MIB, 3 * MIB);
  assert.ok(read.equals(Buffer.concat([Buffer.from("m"), Buffer.alloc(3 * MIB - 1)])));
  // A fork has what its origin's clients were answered, flushed or not.
  assert.equal((await client.ask(Command.WRITE, { offset: 310 * MIB, length: 6 }, Buffer.from("before"))).error, 0);
  await set.create("fork", "disk");
  assert.equal((await client.ask(Command.WRITE, { offset: 310 * MIB, length: 6 }, Buffer.from("behind"))).error, 0);
  client.destroy();
  await set.export("fork", { socket: `${socket}-fork` });
  const ofFork = await NbdClient.open(`${socket}-fork`);
  assert.equal((await ofFork.data(310 * MIB, 6)).toString(), "before");
  ofFork.destroy();
  await set.deactivate("fork");

  await assert.rejects(set.get("disk"), {
    code: "EBUSY",
    message: /exported by NBD on '.*disk\.sock'. Detach it first/,
  });
  await assert.rejects(set.export("disk", { socket: `${socket}2` }), { code: "EBUSY" });
  await set.deactivate("disk");
  assert.ok(!existsSync(socket));
  writeFileSync(join(await set.get("disk"), "file"), "");
  await assert.rejects(set.export("disk", { socket }), { code: "EBUSY", message: /it is mounted/ });
  await set.put("disk");
  assert.deepEqual(await set.check(), []);
});

test("what nobody writes to may be mounted while it is exported, and stays exported", async (t) => {
  const graph = testGraph(t);
  if (graph === undefined) return;
  const set = await graph.open();
  const socket = join(scratchFolder(t), "layer.sock");
  await set.create("layer");
  await set.get("layer");
  await set.put("layer");
  await assert.rejects(set.export("layer", { socket, claim: "shared" }), { code: "EINVAL" });
  await set.export("layer", { socket, access: "read-only", claim: "shared" });
  await set.get("layer", { readOnly: true });
  await set.put("layer");
  await set.create("fork", "layer");
  const client = await NbdClient.open(socket);
  assert.equal((await client.data(0, 4 * MIB)).readUInt16LE(1024 + 56), 0xef53, "ext4's magic number");
  assert.equal((await client.ask(Command.WRITE, { length: 512 }, Buffer.alloc(512))).error, NbdError.EPERM);
  client.destroy();
  await graph.stop();
  assert.ok(!existsSync(socket), "the export ended with the graph");
});
