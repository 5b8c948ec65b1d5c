import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runningExport } from "../src/block-device/nbd/export-record.ts";
import { Command, CommandFlag } from "../src/block-device/nbd/nbd-protocol.ts";
import { childrenOf } from "../src/block-device/nbd/testing/children-of.ts";
import { killProcess } from "../src/block-device/nbd/testing/kill-process.ts";
import { NbdClient } from "../src/block-device/nbd/testing/nbd-client.ts";
import { poolPaths } from "../src/block-device/pool-paths.ts";
import { readPoolState, type PoolState } from "../src/block-device/pool-state.ts";
import { isAlive, type ProcessIdentity } from "../src/block-device/process-identity.ts";
import { poolFolders } from "../src/block-device/pool-process.ts";
import { lacksRequirement, run, scratchGraph, smallImage, type Outcome, type Scratch } from "./cli-support.ts";
import { until } from "../src/linux/testing/until.ts";

interface Attached {
  device: string;
  blockDevice: string;
  nbd: string;
  uri: string;
}

/** A container `web` of a small image, exported read-write. */
async function exportedContainer(scratch: Scratch): Promise<Attached> {
  await scratch.ok("import", "app", await smallImage(scratch.folder));
  await scratch.ok("create", "app", "web");
  return scratch.json<Attached>("attach", "web", "--nbd", join(scratch.folder, "web.sock"));
}

async function succeed(program: string, ...args: string[]): Promise<string> {
  const outcome = await run(program, args);
  assert.equal(outcome.status, 0, `${program} ${args.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
  return outcome.stdout;
}

function stateOf(scratch: Scratch): PoolState | undefined {
  return readPoolState(poolPaths(scratch.runFolder, poolFolders(scratch.runFolder)[0]));
}

function engineOf(scratch: Scratch): ProcessIdentity | undefined {
  return stateOf(scratch)?.engine;
}

function serverOf(scratch: Scratch): number {
  const folder = `${scratch.runFolder}-nbd`;
  const [record] = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return childrenOf(runningExport(folder, record.slice(0, -".json".length))?.keeper.pid ?? 0)[0];
}

/** Kills the pool's engine and waits for the next one. */
async function killEngine(scratch: Scratch): Promise<void> {
  const engine = engineOf(scratch);
  killProcess(engine);
  await until("there is another", () => {
    const next = engineOf(scratch);
    return next !== undefined && next.pid !== engine?.pid && isAlive(next);
  });
}

/** Kills the pool's engine and its supervisor. */
function killPool(scratch: Scratch): void {
  const state = stateOf(scratch);
  for (const victim of [state?.supervisor, state?.engine]) killProcess(victim);
}

async function assertSound(scratch: Scratch): Promise<void> {
  assert.equal(await scratch.ok("check"), "No problems found");
  await scratch.ok("shutdown");
  await succeed("thin_check", join(scratch.root, "devicemapper/metadata"));
  assert.deepEqual(scratch.leftovers(), []);
}

suite("devices exported by NBD", { timeout: 300_000 }, () => {
  test("nbdinfo, nbdcopy, qemu-img and qemu-io read and write what the container holds", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const { uri } = await exportedContainer(scratch);
    const inFolder = (name: string): string => join(scratch.folder, name);

    const info = JSON.parse(await succeed("nbdinfo", "--json", uri)) as { exports: Record<string, unknown>[] };
    const [exported] = info.exports;
    assert.equal(exported["export-name"], "web");
    assert.deepEqual(exported["contexts"], ["base:allocation"]);
    for (const can of ["flush", "fua", "trim", "zero", "fast_zero", "df", "cache", "multi_conn"]) {
      assert.equal(exported[`can_${can}`], true, can);
    }
    assert.match(await succeed("nbdinfo", "--list", uri), /export="web"/);
    const map = JSON.parse(await succeed("nbdinfo", "--map", "--json", uri)) as { length: number; type: number }[];
    const bytesOf = (type: number): number =>
      map.filter((extent) => extent.type === type).reduce((sum, { length }) => sum + length, 0);
    assert.equal(bytesOf(0) + bytesOf(3), 256 << 20);
    assert.ok(bytesOf(3) > 200 << 20, "most of it is holes");

    await succeed("nbdcopy", uri, inFolder("copy.img"));
    await succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", inFolder("copy.img"), uri);
    await succeed("qemu-img", "convert", "-f", "raw", "-O", "qcow2", uri, inFolder("copy.qcow2"));
    await succeed("qemu-img", "compare", "-f", "qcow2", "-F", "raw", inFolder("copy.qcow2"), uri);

    // A file system that was changed elsewhere comes back whole.
    writeFileSync(inFolder("hello"), "from a copy\n");
    await succeed("debugfs", "-w", "-R", `write ${inFolder("hello")} /rootfs/hello`, inFolder("copy.img"));
    await succeed("nbdcopy", "--flush", inFolder("copy.img"), uri);
    await succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", inFolder("copy.img"), uri);
    await scratch.ok("detach", "web");
    assert.equal(await scratch.ok("diff", "web"), "A /hello");

    await scratch.ok("attach", "web", "--nbd", inFolder("web.sock"));
    await succeed("qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", inFolder("copy.qcow2"), uri);
    const commands = [
      "write -f -P 0xab 200M 4M",
      "read -P 0xab 200M 4M",
      "write -f -P 0xcd 210000001 1003",
      "read -P 0xcd 210000001 1003",
      "write -z 201M 1M",
      "read -P 0 201M 1M",
      "write -z -u -f 202M 1M",
      "read -P 0 202M 1M",
      "discard 203M 1M",
      "read -P 0 203M 1M",
      "read -P 0xab 200M 128k",
      "write -z -u 200M 10M",
      "write -z 210000001 1003",
      "flush",
    ];
    await succeed("qemu-io", "-f", "raw", ...commands.flatMap((command) => ["-c", command]), uri);
    await scratch.ok("detach", "web");
    assert.equal(await scratch.ok("diff", "web"), "");
    await assertSound(scratch);
  });

  test("fio writes and verifies over several connections while the pool's engine is killed", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const { uri } = await exportedContainer(scratch);
    const options = [
      "--ioengine=nbd",
      `--uri=${uri}`,
      "--rw=randwrite",
      "--bsrange=4k-64k",
      "--iodepth=16",
      "--fsync=100",
    ];
    const verifying = ["--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", `--aux-path=${scratch.folder}`];
    const job = (name: string, offset: string): string[] => [
      `--name=${name}`,
      `--offset=${offset}`,
      "--size=48m",
      "--loops=3",
    ];
    const state = { running: true };
    const load = run("fio", [
      ...options,
      ...verifying,
      ...job("one", "64m"),
      ...options,
      ...verifying,
      ...job("two", "128m"),
    ]);
    void load.then(() => (state.running = false));
    let kills = 0;
    while (state.running && kills < 6) {
      await sleep(150);
      await killEngine(scratch);
      kills++;
    }
    const { status, stdout, stderr } = await load;
    assert.equal(status, 0, stdout + stderr);
    assert.ok(kills > 2);
    await scratch.ok("detach", "web");
    await assertSound(scratch);
  });

  test("writes that were answered with FUA, or flushed, outlive kills of server and engine; clients find the next server", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const { nbd } = await exportedContainer(scratch);
    const blockBytes = 4096;
    const [first, blocks] = [64 << 20, 2000];
    /** The last value that each block is sure to have, and those that it may have instead: writes that were not answered. */
    const sure = new Int32Array(blocks);
    const possible = Array.from({ length: blocks }, () => new Set<number>());
    const stop = new AbortController();
    const writers = [0, 1].map((first) => ({ first, answered: 0 }));
    const write = async (writer: { first: number; answered: number }): Promise<void> => {
      let value = 0;
      const writeOn = async (client: NbdClient): Promise<void> => {
        while (!stop.signal.aborted) {
          const block = 2 * ((++value * 7919) % (blocks / 2)) + writer.first;
          possible[block].add(value);
          const data = Buffer.alloc(blockBytes);
          data.writeInt32LE(value);
          const place = { offset: first + block * blockBytes, length: blockBytes };
          const flags = value % 2 === 0 ? CommandFlag.FUA : 0;
          const errors = [(await client.ask(Command.WRITE, { ...place, flags }, data)).error];
          if (flags === 0) errors.push((await client.ask(Command.FLUSH)).error);
          assert.deepEqual(
            errors,
            errors.map(() => 0),
          );
          sure[block] = value;
          possible[block].clear();
          writer.answered++;
        }
      };
      while (!stop.signal.aborted) {
        try {
          const client = await NbdClient.open(nbd);
          await writeOn(client);
          client.destroy();
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          await sleep(5); // the server was killed
        }
      }
    };
    const done = Promise.all(writers.map(write));
    for (let kill = 0; kill < 6; kill++) {
      const before = writers.map(({ answered }) => answered);
      await until("each has written", () => writers.every(({ answered }, at) => answered >= before[at] + 3));
      if (kill % 2 === 0) killProcess({ pid: serverOf(scratch) });
      else await killEngine(scratch);
    }
    await NbdClient.open(nbd).then((client) => client.destroy());
    stop.abort();
    await done;
    assert.ok(writers.every(({ answered }) => answered >= 18));
    const reader = await NbdClient.open(nbd);
    for (let block = 0; block < blocks; block++) {
      const offset = first + block * blockBytes;
      const { payload } = await reader.ask(Command.READ, { offset, length: blockBytes });
      const value = payload.readInt32LE(8);
      assert.ok(value === sure[block] || possible[block].has(value), `block ${block} has ${value}, not ${sure[block]}`);
    }
    reader.destroy();
    await assertSound(scratch); // with the export still there: shutdown ends it
    assert.ok(!existsSync(nbd));
  });

  test("an export ends with its pool; opened again, the device is exported again", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const { nbd, uri } = await exportedContainer(scratch);
    const client = await NbdClient.open(nbd);
    const data = Buffer.alloc(4096, 0x42);
    const place = { offset: 100 << 20, length: 4096 };
    assert.equal((await client.ask(Command.WRITE, { ...place, flags: CommandFlag.FUA }, data)).error, 0);
    killPool(scratch);
    // Before the old export has noticed, and after it.
    await scratch.ok("attach", "web", "--nbd", nbd);
    await client.closed();
    killPool(scratch);
    await until("its socket goes", () => !existsSync(nbd));
    await scratch.ok("attach", "web", "--nbd", nbd);
    assert.match(await succeed("nbdinfo", uri), /export="web"/);
    const again = await NbdClient.open(nbd);
    assert.equal((await again.ask(Command.READ, place)).payload[8], 0x42);
    again.destroy();
    await assertSound(scratch);
  });

  test("what is mounted is not exported, and what is exported is not mounted or removed", async (t) => {
    if (lacksRequirement(t)) return;
    const scratch = scratchGraph(t);
    const socket = join(scratch.folder, "web.sock");
    const refused = async (message: RegExp, ...args: string[]): Promise<Outcome> => {
      const outcome = await scratch.mica(...args);
      assert.notEqual(outcome.status, 0, args.join(" "));
      assert.match(outcome.stderr, message);
      return outcome;
    };
    await scratch.ok("import", "app", await smallImage(scratch.folder));
    await scratch.ok("create", "app", "web");
    await scratch.ok("mount", "web");
    await refused(/Cannot export 'web': it is mounted/, "attach", "web", "--nbd", socket);
    await scratch.ok("umount", "web");
    await scratch.ok("attach", "web", "--nbd", socket);
    await scratch.ok("attach", "web", "--nbd", socket);
    await refused(/exported already, read-write/, "attach", "web", "--nbd", `${socket}2`);
    await refused(/exported by NBD on '.*web\.sock'. Detach it first/, "mount", "web");
    await refused(/exported by NBD on .* detach it first/, "rm", "web");
    await scratch.ok("detach", "web");
    assert.ok(!existsSync(socket));
    await scratch.ok("rm", "web");

    await refused(/Cannot export 'app(:latest)?' for writing/, "attach", "app", "--nbd", socket);
    const { status } = await refused(/--read-only goes with --nbd/, "attach", "app", "--read-only");
    assert.equal(status, 2);
    await scratch.ok("create", "app", "other");
    const { uri } = await scratch.json<Attached>("attach", "app", "--nbd", socket, "--read-only");
    assert.match(await succeed("nbdinfo", uri), /is_read_only: true/);
    await succeed("nbdcopy", uri, join(scratch.folder, "layer.img"));
    // The layer is looked at meanwhile, and stays exported.
    writeFileSync(join(await scratch.ok("mount", "other"), "new"), "");
    assert.equal(await scratch.ok("diff", "other"), "A /new");
    await scratch.ok("umount", "other");
    await succeed("qemu-img", "compare", "-f", "raw", "-F", "raw", join(scratch.folder, "layer.img"), uri);
    assert.match(readFileSync(`${scratch.runFolder}-nbd/exports.log`, "utf8"), /^$/);
    await assertSound(scratch);
  });
});
