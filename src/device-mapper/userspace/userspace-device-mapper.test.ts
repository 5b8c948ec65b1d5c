import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loopInfo } from "../../linux/loop.ts";
import { whetherHeld, writeZeroes } from "../compliance/device-mapper-setup.ts";
import { runProgram } from "../compliance/run-program.ts";
import { cannotRun, TestPool } from "./test-pool.ts";

describe("what only the userspace device mapper does", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const { mapper } = pool;
  let device: string;
  before(async () => {
    await pool.create("pool", 64);
    device = await pool.thin("pool", 1, 64, "first");
  });
  after(() => pool.destroy());

  test("tables name files and pools; devices are loop devices with direct I/O, and have no UUID", async () => {
    const [metadata, data] = [join(pool.folder, "pool.metadata"), join(pool.folder, "pool.data")];
    assert.equal(await mapper.table("pool"), `0 131072 thin-pool ${metadata} ${data} 128 64 0`);
    assert.equal(await mapper.table("first"), "0 131072 thin pool 1");
    assert.deepEqual(await mapper.deps("first"), ["pool"]);
    assert.equal(loopInfo(device)?.directIo, true);
    const [thin, whole] = [await mapper.info("first"), await mapper.info("pool")];
    assert.deepEqual(
      [thin?.uuid, whole?.uuid, whole?.blockDevice, whole?.major],
      [undefined, undefined, undefined, undefined],
    );
  });

  test("a pool that cannot start leaves no folder", async () => {
    await assert.rejects(mapper.create("failing", pool.table("failing", 64).replace("131072", "99999999")));
    assert.deepEqual(
      readdirSync(pool.runDir).filter((name) => name === "failing"),
      [],
    );
  });

  test("what is suspended or to be removed stays so over the death of an engine, and waiters hear of that", async () => {
    const { eventNumber } = (await mapper.info("pool"))!;
    await mapper.suspend("first");
    await mapper.remove("pool", { deferred: true });
    const writing = writeZeroes(device, 1);
    assert.equal(await whetherHeld(writing), "held");
    await pool.kill(pool.engine("pool"));
    assert.equal((await mapper.info("first"))?.suspended, true);
    assert.equal((await mapper.info("pool"))?.deferredRemove, true);
    assert.notEqual(await mapper.waitForEvent("pool", eventNumber), eventNumber);
    assert.equal(await whetherHeld(writing), "held");
    await mapper.cancelDeferredRemoval("pool");
    await mapper.suspend("pool");
    await mapper.resume("first");
    await pool.kill(pool.engine("pool"));
    assert.equal((await mapper.info("pool"))?.suspended, true);
    assert.equal(await whetherHeld(writing), "held");
    await mapper.resume("pool");
    assert.equal((await writing).status, 0);
  });

  test("nothing remains", async () => {
    await mapper.remove("first");
    await mapper.remove("pool");
    assert.deepEqual(await mapper.list(), []);
    await pool.nothingRemains();
    assert.equal((await runProgram("thin_check", join(pool.folder, "pool.metadata"))).status, 0);
  });
});
