import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ControlClient } from "../../block-device/control-client.ts";
import { poolPaths } from "../../block-device/pool-paths.ts";
import type { VolumeInfo } from "../../block-device/pool-service.ts";
import { whetherHeld, writeAt } from "../compliance/device-mapper-setup.ts";
import { runProgram } from "../compliance/run-program.ts";
import { blockAt } from "./test-mapped.ts";
import { cannotRun, TestPool } from "./test-pool.ts";
import { VolumeLoop } from "./volume-loop.ts";

const sectors = 64 * 2048;

describe("volumes of a pool with zero and error segments", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const client = new ControlClient(pool.runDir);
  const send = (message: string) => client.send("tables", message);
  const table = async (name: string) => (JSON.parse(await send(`info ${name}`)) as VolumeInfo).table;
  const whole = `0 ${sectors} thin tables 1`;
  const killEngine = async () => {
    const engine = pool.engine("tables");
    await pool.kill(engine);
    await pool.nextEngine("tables", engine);
  };
  before(() => pool.create("tables", 256));
  after(() => pool.destroy());

  test("a thin device goes and comes back under its loop device", async () => {
    const device = await pool.thin("tables", 1, 64, "swapped");
    writeAt(device, 0, Buffer.alloc(4096, 1));
    await assert.rejects(send("delete 1"), { code: "EBUSY" });
    await send(`set_table swapped\n0 ${sectors} error`);
    assert.equal(blockAt(device, 0), "EIO");
    await killEngine();
    assert.equal(await table("swapped"), `0 ${sectors} error`);
    assert.equal(blockAt(device, 0), "EIO");
    await send("create_snap 9 1");
    await send("delete 9"); // the thin device is not active any more
    await send(`set_table swapped\n${whole}`);
    assert.equal(blockAt(device, 0), 1);
    assert.equal(await pool.blockDevice("swapped"), device);
    await pool.mapper.remove("swapped");
  });

  test("another thin device may take the place of one", async () => {
    await send("create_thin 2");
    const device = await pool.mapper.create("taken", whole);
    assert.ok(device);
    writeAt(device, 0, Buffer.alloc(4096, 1));
    await send(`set_table taken\n0 ${sectors} thin tables 2`);
    assert.equal(blockAt(device, 0), 0);
    writeAt(device, 0, Buffer.alloc(4096, 2));
    await killEngine();
    assert.equal(blockAt(device, 0), 2);
    await assert.rejects(send(`set_table taken\n0 ${sectors} thin tables 3`), { code: "ENODATA" });
    await assert.rejects(send(`set_table taken\n0 8 thin tables 1\n8 8 thin tables 2`), { code: "EINVAL" });
    await assert.rejects(send(`set_table taken\n0 8 linear /dev/loop0 0`), { code: "EINVAL" });
    assert.equal(await table("taken"), `0 ${sectors} thin tables 2`);
    await pool.mapper.remove("taken");
    await send("delete 2");
  });

  test("segments stand beside each other, and are there again after an engine died", async () => {
    await send("create_thin 3");
    await assert.rejects(send(`activate_table beside\n0 8 zero`), { code: "EINVAL", message: /none of it is thin/ });
    await assert.rejects(send(`activate_table beside\n0 8 zero\n8 8 thin tables 4`), { code: "ENODATA" });
    const lines = `0 128 zero\n128 1024 thin tables 3\n1152 8 error`;
    await send(`activate_table beside\n${lines}`);
    const loop = new VolumeLoop(poolPaths(pool.runDir, "tables"), "beside");
    const device = await loop.attach(loop.announce());
    writeAt(device, 0, Buffer.alloc(65536, 1));
    writeAt(device, 65536, Buffer.alloc(65536, 2));
    for (const state of ["before", "after"]) {
      assert.equal(await table("beside"), lines);
      assert.deepEqual([0, 65536, 1152 * 512].map((place) => blockAt(device, place)), [0, 2, "EIO"], state); // prettier-ignore
      assert.equal(await send("thin_status beside"), "128 127");
      await killEngine();
    }
    await send(`set_table beside\n0 1024 thin tables 3`); // its own sector 0 is where it begins
    assert.equal(blockAt(device, 0), 2);
    await pool.mapper.remove("beside");
  });

  test("tables change under a verifying load on the thin part, and no engine's death is noticed", async () => {
    const device = await pool.mapper.create("loaded", whole);
    assert.ok(device);
    const with_ = (tail: string) => `0 ${sectors - 8} thin tables 1\n${sectors - 8} 8 ${tail}`;
    const load = runProgram(
      "fio", "--name=verify", `--filename=${device}`, "--size=48m", "--rw=randwrite", "--bsrange=4k-256k", "--ioengine=libaio", "--iodepth=8",
      "--direct=1", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--fsync=100", "--time_based", "--runtime=3",
      `--aux-path=${pool.folder}`,
    ); // prettier-ignore
    for (const lines of [with_("zero"), whole, with_("error"), `0 ${sectors} error`, whole, with_("zero"), whole]) {
      await sleep(300);
      await send("suspend loaded");
      await send(`set_table loaded\n${lines}`);
      if (lines.startsWith(`0 ${sectors} error`)) await send(`set_table loaded\n${whole}`); // nothing of it was in force while I/O ran
      await send("resume loaded");
      if (lines === whole) await killEngine();
    }
    const { status, output } = await load;
    assert.equal(status, 0, output);
    assert.doesNotMatch(output, /verify: bad|error=/i);
    await pool.mapper.remove("loaded");
  });

  test("I/O that a suspension holds is done by the table that follows", async () => {
    const device = await pool.mapper.create("held", whole);
    assert.ok(device);
    await send("suspend held");
    const write = runProgram(
      "dd", "if=/dev/zero", `of=${device}`, "bs=4096", "count=1", "oflag=direct", "conv=notrunc", "status=none",
    ); // prettier-ignore
    assert.equal(await whetherHeld(write), "held");
    await send(`set_table held\n0 ${sectors} error`);
    assert.equal(await whetherHeld(write), "held");
    await send("resume held");
    assert.match((await write).output, /Input\/output error/);
    await pool.mapper.remove("held");
  });

  test("nothing remains", async () => {
    assert.deepEqual(await pool.mapper.checkMetadata("tables"), []);
    await pool.mapper.remove("tables");
    await pool.nothingRemains();
  });
});
