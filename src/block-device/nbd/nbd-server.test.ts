import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { attachLoop, detachLoop } from "../../linux/loop.ts";
import { until } from "../../linux/testing/until.ts";
import { identify, isAlive } from "../process-identity.ts";
import { runningExport } from "./export-record.ts";
import { endExport, startExport } from "./export-process.ts";
import type { ExportStart } from "./export-start.ts";
import { Chunk, Command, CommandFlag, NbdError } from "./nbd-protocol.ts";
import { childrenOf } from "./testing/children-of.ts";
import { request } from "./testing/frames.ts";
import { killProcess } from "./testing/kill-process.ts";
import { NbdClient } from "./testing/nbd-client.ts";

const possible = process.getuid?.() === 0 && existsSync("/dev/loop-control");
const SIZE = 64 << 20;
const { READ, WRITE, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS, DISCONNECT } = Command;

/** An export of a plain loop device: a device with sectors and without holes, as the kernel's device mapper has them. */
describe("the NBD server", { skip: possible ? false : "needs root and loop devices" }, () => {
  let folder: string;
  let start: ExportStart;
  const clients: NbdClient[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mica-nbd-"));
    writeFileSync(join(folder, "data"), Buffer.alloc(SIZE, "0123456789abcdef"));
    start = {
      folder: join(folder, "run"),
      device: "disk",
      blockDevice: attachLoop(join(folder, "data"), { directIo: true }),
      socket: join(folder, "disk.sock"),
      name: "disk",
      access: "read-write",
      claim: "exclusive",
      blockSizeBytes: 65536,
    };
    await startExport(start);
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
  });
  after(async () => {
    await endExport(start.folder, start.device);
    detachLoop(start.blockDevice);
    rmSync(folder, { recursive: true, force: true });
  });

  const open = async (replies?: "simple" | "structured"): Promise<NbdClient> => {
    const client = await NbdClient.open(start.socket, replies);
    clients.push(client);
    return client;
  };
  const serverPid = (): number => childrenOf(runningExport(start.folder, start.device)?.keeper.pid ?? 0)[0];

  test("its socket is root's alone", () => {
    assert.equal(statSync(start.socket).mode & 0o777, 0o600);
  });

  test("reads and writes of any place and length are served, aligned or not", async () => {
    for (const replies of ["simple", "structured"] as const) {
      const client = await open(replies);
      for (const [offset, length] of [
        [0, 4096],
        [1, 1],
        [511, 1026],
        [SIZE - 3, 3],
        [12_345, 3_000_001],
        [32 << 20, 32 << 20],
      ]) {
        const data = Buffer.from(Array.from({ length: Math.min(length, 4096) }, (_, index) => index * 7 + offset));
        const whole = Buffer.alloc(length, data);
        const written = await client.ask(WRITE, { offset, length }, whole);
        assert.deepEqual([written.error, written.done], [0, true]);
        client.write(request(READ, { offset, length, cookie: 0xfedcba9876543210n }));
        const read = await client.answer(length);
        assert.equal(read.cookie, 0xfedcba9876543210n);
        const payload = replies === "simple" ? read.payload : read.payload.subarray(8);
        if (replies === "structured") assert.equal(read.payload.readBigUInt64BE(0), BigInt(offset));
        assert.ok(payload.equals(whole), `${length} bytes at ${offset}`);
      }
      assert.equal((await client.ask(FLUSH)).error, 0);
    }
  });

  test("zeroes and trims of any place; zeroes are promised only where they are cheap", async () => {
    const client = await open();
    await client.ask(WRITE, { offset: 0, length: 8192 }, Buffer.alloc(8192, 1));
    assert.equal((await client.ask(WRITE_ZEROES, { offset: 1000, length: 3001, flags: CommandFlag.FUA })).error, 0);
    const { payload } = await client.ask(READ, { offset: 0, length: 8192 });
    const data = payload.subarray(8);
    assert.deepEqual(
      [999, 1000, 4000, 4001].map((at) => data[at]),
      [1, 0, 0, 1],
    );
    assert.equal((await client.ask(TRIM, { offset: 700, length: 40_000_000 })).error, 0);
    const fast = { offset: 0, length: 4096, flags: CommandFlag.FAST_ZERO };
    assert.equal((await client.ask(WRITE_ZEROES, fast)).error, NbdError.ENOTSUP);
    assert.equal((await client.ask(CACHE, { offset: 0, length: SIZE })).error, 0);
  });

  test("without knowledge of holes all is told as data", async () => {
    const client = await open();
    const answer = await client.ask(BLOCK_STATUS, { offset: 4096, length: 1 << 20, flags: CommandFlag.REQ_ONE });
    assert.equal(answer.chunk, Chunk.BLOCK_STATUS);
    assert.deepEqual(
      [0, 4, 8].map((at) => answer.payload.readUInt32BE(at)),
      [1, 1 << 20, 0],
    );
  });

  test("what cannot be done is refused by the protocol's numbers, and the next request is served", async () => {
    const { EINVAL, ENOSPC } = NbdError;
    const cases: [number, Parameters<typeof request>[1], number, number][] = [
      [READ, { length: 0 }, EINVAL, 0],
      [READ, { length: (32 << 20) + 1 }, EINVAL, 0],
      [READ, { offset: SIZE - 1, length: 2 }, EINVAL, 0],
      [READ, { offset: 0xffffffffffffffffn, length: 4096 }, EINVAL, 0],
      [READ, { length: 4096, flags: CommandFlag.REQ_ONE }, EINVAL, 0],
      [WRITE, { offset: SIZE, length: 70_000 }, ENOSPC, 70_000],
      [WRITE, { offset: 0xffffffffffffff00n, length: 512 }, ENOSPC, 512],
      [WRITE, { length: 40 << 20 }, EINVAL, 40 << 20],
      [WRITE, { length: 5000, flags: CommandFlag.DF }, EINVAL, 5000],
      [TRIM, { offset: SIZE, length: 1 }, EINVAL, 0],
      [WRITE_ZEROES, { offset: 1, length: SIZE }, ENOSPC, 0],
      [BLOCK_STATUS, { offset: 0, length: 0 }, EINVAL, 0],
      [BLOCK_STATUS, { offset: SIZE, length: 1 }, EINVAL, 0],
      [99, {}, EINVAL, 0],
    ];
    for (const replies of ["structured", "simple"] as const) {
      const client = await open(replies);
      for (const [command, fields, error, payload] of cases) {
        const answer = await client.ask(command, { ...fields, cookie: 5n }, Buffer.alloc(payload));
        assert.deepEqual([answer.error, answer.cookie, answer.done], [error, 5n, true], `${command}`);
      }
      if (replies === "simple") assert.equal((await client.ask(BLOCK_STATUS, { length: 4096 })).error, EINVAL);
      assert.equal((await client.ask(FLUSH)).error, 0);
    }
  });

  test("what is no request ends the connection, once what came before is answered", async () => {
    const client = await open();
    client.write(request(READ, { length: 8 << 20 }), request(READ, { magic: 0x12345678 }));
    assert.equal((await client.answer()).payload.length, 8 + (8 << 20));
    await client.closed();
    const polite = await open();
    polite.write(request(WRITE, { length: 4096 }), Buffer.alloc(4096, 9), request(DISCONNECT));
    assert.equal((await polite.answer()).error, 0);
    await polite.closed();
  });

  test("a client that is half-way through a request, or reads no answers, harms no other", async () => {
    const half = await open();
    half.write(request(WRITE, { offset: 0, length: 1 << 20 }), Buffer.alloc(1000));
    const deaf = await open();
    deaf.pause();
    for (let index = 0; index < 200; index++) deaf.write(request(READ, { length: 1 << 20, cookie: BigInt(index) }));
    const silent = await NbdClient.connect(start.socket);
    clients.push(silent);
    const other = await open();
    for (let index = 0; index < 100; index++) {
      assert.equal((await other.ask(READ, { offset: index * 4096, length: 4096 })).error, 0);
    }
    half.destroy();
    deaf.resume();
    for (let index = 0; index < 200; index++) assert.equal((await deaf.answer()).payload.length, 8 + (1 << 20));
    assert.equal((await other.ask(READ, { length: 4096 })).error, 0);
  });

  test("many requests at once, in any order, are each answered once", async () => {
    const client = await open();
    const waiting = new Set<bigint>();
    for (let index = 0n; index < 500n; index++) {
      const length = 1 + Number((index * 7919n) % 300_000n);
      waiting.add(index);
      if (index % 3n === 0n)
        client.write(request(WRITE, { cookie: index, length, flags: CommandFlag.FUA }), Buffer.alloc(length));
      else client.write(request(READ, { cookie: index, length }));
    }
    while (waiting.size > 0) {
      const { cookie, error } = await client.answer();
      assert.equal(error, 0);
      assert.ok(waiting.delete(cookie));
    }
  });

  test("a flush on one connection covers what another was answered", async () => {
    const [writer, flusher] = [await open(), await open()];
    await writer.ask(WRITE, { offset: 1 << 20, length: 4096 }, Buffer.alloc(4096, 0x5a));
    assert.equal((await flusher.ask(FLUSH)).error, 0);
    assert.equal((await flusher.ask(READ, { offset: 1 << 20, length: 1 })).payload[8], 0x5a);
    assert.equal(readFileSync(join(folder, "data"))[1 << 20], 0x5a);
  });

  test("4,000 connections that send anything are survived by the same server", async () => {
    const pid = serverPid();
    let seed = 99;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % below;
    };
    for (let round = 0; round < 500; round++) {
      const few = await Promise.all(
        Array.from({ length: 8 }, () =>
          round % 2 === 0 ? NbdClient.connect(start.socket) : NbdClient.open(start.socket),
        ),
      );
      for (const client of few) {
        const frames = Array.from({ length: 1 + random(4) }, () => {
          const frame = request(random(10), { offset: random(SIZE), length: random(100_000), flags: random(64) });
          if (random(2) === 0) frame[random(28)] = random(256);
          return frame;
        });
        client.write(...frames, Buffer.alloc(random(3000), random(256)));
        client.destroy();
      }
    }
    assert.equal(serverPid(), pid);
    assert.equal((await (await open()).ask(READ, { length: 4096 })).error, 0);
  });

  test("a server that is killed is followed by another on the same socket", async () => {
    const before = await open();
    await before.ask(WRITE, { offset: 0, length: 4096, flags: CommandFlag.FUA }, Buffer.alloc(4096, 0x77));
    const killed = identify(serverPid());
    killProcess(killed);
    await before.closed();
    const again = await open();
    assert.equal((await again.ask(READ, { length: 4096 })).payload[8], 0x77);
    assert.ok(!isAlive(killed));
  });

  test("the same export again is no error, another one is; nobody else gets the device", async () => {
    await startExport(start);
    await assert.rejects(startExport({ ...start, socket: join(folder, "other.sock") }), {
      code: "EBUSY",
      message: /exported already, read-write, on '.*disk\.sock'/,
    });
    await assert.rejects(startExport({ ...start, device: "again", socket: join(folder, "again.sock") }), {
      code: "EBUSY",
      message: /is mounted, or something else has claimed it/,
    });
    await assert.rejects(startExport({ ...start, device: "again", socket: start.socket }), /another process listens/);
    assert.ok(!existsSync(join(folder, "again.sock")));
  });

  test("ended, it has done what it had begun, and leaves nothing; with its keeper killed too", async () => {
    const client = await open();
    client.write(request(WRITE, { offset: 0, length: 8 << 20 }), Buffer.alloc(8 << 20, 0x33));
    assert.equal((await client.answer()).error, 0);
    assert.equal(await endExport(start.folder, start.device), true);
    await client.closed();
    assert.ok(!existsSync(start.socket));
    assert.equal(await endExport(start.folder, start.device), false);
    const readOnly = { ...start, access: "read-only" } as const;
    await startExport(readOnly);
    const reader = await open();
    assert.equal((await reader.ask(READ, { length: 4096 })).payload[8], 0x33);
    assert.equal((await reader.ask(WRITE, { length: 512 }, Buffer.alloc(512))).error, NbdError.EPERM);
    assert.equal((await reader.ask(TRIM, { length: 512 })).error, NbdError.EPERM);
    const [keeper, server] = [runningExport(start.folder, start.device)?.keeper, identify(serverPid())];
    killProcess(keeper);
    await until("its server has ended", () => !isAlive(server));
    await startExport(start);
    assert.equal((await (await open()).ask(READ, { length: 4096 })).payload[8], 0x33);
  });
});
