import assert from "node:assert/strict";
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { runProgram } from "../compliance/run-program.ts";
import { cannotRun, TestPool } from "./test-pool.ts";

const KILLS = 10;

describe("processes that die", { skip: cannotRun }, () => {
  const pool = new TestPool();
  before(() => pool.create("dying", 1024));
  after(() => pool.destroy());

  /** Kills one engine after another until the work is done. */
  const whileEnginesDie = async (work: () => Promise<void>): Promise<void> => {
    const until = { done: false };
    const killer = (async () => {
      while (!until.done) {
        await pool.mapper.status("dying"); // it serves: else none would ever get as far as an answer
        const engine = pool.engine("dying");
        await sleep(20 + 80 * Math.random()); // more deaths in a short time than the supervisor puts up with are another test
        await pool.kill(engine);
        await pool.nextEngine("dying", engine);
      }
    })();
    try {
      await work();
    } finally {
      until.done = true;
      await killer;
    }
  };

  test(`${KILLS} kills of the engine under a verifying load on ext4 are not noticed`, async () => {
    const device = await pool.thin("dying", 1, 512, "loaded");
    assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
    const point = pool.point("loaded-mount");
    await mountAsync(device, point, "ext4");
    const load = runProgram(
      "fio", "--name=verify", `--directory=${point}`, "--size=96m", "--rw=randwrite", "--bsrange=4k-64k", "--ioengine=libaio",
      "--iodepth=8", "--direct=1", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--time_based", "--runtime=10", "--fsync=200",
      `--aux-path=${pool.folder}`,
    ); // prettier-ignore
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(300 + 500 * Math.random());
      const engine = pool.engine("dying");
      await pool.kill(engine);
      await pool.nextEngine("dying", engine);
    }
    const { status, output } = await load;
    assert.equal(status, 0, output);
    assert.doesNotMatch(output, /verify: bad|error=/i);
    await unmountAsync(point);
    const check = await runProgram("e2fsck", "-fn", device);
    assert.equal(check.status, 0, check.output);
    assert.deepEqual(await pool.mapper.checkMetadata("dying"), []);
    await pool.mapper.remove("loaded");
  });

  test("a write that was answered survives the engine, flushed or not", async () => {
    const device = await pool.thin("dying", 2, 64, "kept");
    const fd = openSync(device, "r+");
    try {
      for (let round = 0; round < 3; round++) {
        writeSync(fd, Buffer.alloc(65536, round + 1), 0, 65536, round << 20);
        fsyncSync(fd); // out of this kernel's cache, into the pool
        const engine = pool.engine("dying");
        await pool.kill(engine);
        await pool.nextEngine("dying", engine);
      }
      await runProgram("blockdev", "--flushbufs", device);
      for (let round = 0; round < 3; round++) assert.equal(readFileSync(device)[round << 20], round + 1);
    } finally {
      closeSync(fd);
    }
    await pool.mapper.remove("kept");
  });

  test("a batch of messages goes on while engines die, and none is executed twice", async () => {
    const ids = Array.from({ length: 10_000 }, (_, index) => 10_000 + index);
    await whileEnginesDie(() =>
      pool.mapper.messages(
        "dying",
        ids.map((id) => `create_snap ${id} 1`),
      ),
    );
    const made = (await pool.mapper.thinDevices("dying")).filter(({ id }) => id >= 10_000);
    assert.deepEqual(
      made.map(({ id }) => id),
      ids,
    );
    await pool.mapper.messages(
      "dying",
      ids.map((id) => `delete ${id}`),
    );
  });

  test("messages go on while engines die, and none is executed twice", async () => {
    await whileEnginesDie(async () => {
      for (let id = 100; id < 160; id++) {
        await pool.mapper.message("dying", `create_snap ${id} 1`);
        await sleep(20);
      }
    });
    const { devices } = await pool.mapper.usage("dying");
    assert.equal(devices.filter(({ id }) => id >= 100 && id < 160).length, 60);
  });

  test("the supervisor's death is repaired by the next who comes, and then the engine's", async () => {
    const device = await pool.thin("dying", 3, 64, "orphan");
    writeFileSync(device, "before");
    await pool.kill(pool.supervisor("dying"));
    const engine = pool.engine("dying");
    assert.match(await pool.mapper.status("dying"), / thin-pool /);
    assert.deepEqual(pool.engine("dying"), engine, "the engine went on");
    await pool.kill(engine);
    await pool.nextEngine("dying", engine);
    assert.equal(readFileSync(device).toString("latin1", 0, 6), "before");
    assert.equal((await pool.mapper.info("orphan"))?.blockDevice, device);
    await pool.mapper.remove("orphan");
  });

  test("after the death of both, what was left is cleared and the pool is there again", async () => {
    const device = await pool.thin("dying", 4, 64, "reborn");
    const fd = openSync(device, "r+");
    writeSync(fd, "kept by the journal");
    fsyncSync(fd);
    closeSync(fd);
    await runProgram("mkfs.ext4", "-q", "-E", "offset=16777216", device, "32m");
    const supervisor = pool.supervisor("dying");
    const engine = pool.engine("dying");
    await pool.kill(supervisor);
    await pool.kill(engine);
    const info = await pool.mapper.info("reborn");
    assert.notEqual(info?.blockDevice, undefined);
    assert.equal(readFileSync(info!.blockDevice!).toString("latin1", 0, 19), "kept by the journal");
    await pool.mapper.remove("reborn");
  });

  test("nothing remains", async () => {
    await pool.mapper.remove("dying");
    await pool.nothingRemains();
    assert.equal((await runProgram("thin_check", join(pool.folder, "dying.metadata"))).status, 0);
  });
});
