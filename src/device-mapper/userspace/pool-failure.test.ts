import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { poolPaths } from "../../block-device/pool-paths.ts";
import { runProgram } from "../compliance/run-program.ts";
import { cannotRun, TestPool } from "./test-pool.ts";

describe("pools in trouble", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const { mapper } = pool;
  after(() => pool.destroy());

  test("two pools at once keep to themselves, and a pool's end is its own", async () => {
    await pool.create("one", 64);
    await pool.create("two", 64);
    const first = await pool.thin("one", 1, 16);
    const second = await pool.thin("two", 1, 16);
    writeFileSync(first, "first", { flag: "r+" });
    writeFileSync(second, "second", { flag: "r+" });
    assert.equal(readFileSync(first, "latin1").slice(0, 5), "first");
    assert.equal(readFileSync(second, "latin1").slice(0, 6), "second");
    await mapper.remove("one-1");
    await mapper.remove("one");
    assert.deepEqual(
      (await mapper.list()).map(({ name }) => name),
      ["two", "two-1"],
    );
    await pool.create("one", 64);
    await mapper.create("one-1", "0 32768 thin one 1");
    const again = (await mapper.info("one-1"))!.blockDevice!;
    assert.equal(readFileSync(again, "latin1").slice(0, 5), "first");
    for (const name of ["one-1", "one", "two-1", "two"]) await mapper.remove(name);
  });

  test("an engine that cannot open its pool again answers EIO, says Fail, and can be removed", async () => {
    await pool.create("lost", 64);
    const device = await pool.thin("lost", 1, 16);
    renameSync(join(pool.folder, "lost.data"), join(pool.folder, "elsewhere"));
    const engine = pool.engine("lost");
    await pool.kill(engine);
    await pool.nextEngine("lost", engine);
    assert.match(await mapper.status("lost"), /^0 131072 thin-pool Fail$/);
    await assert.rejects(mapper.message("lost", "create_thin 2"), { code: "EIO", message: /lost\.data/ });
    const read = await runProgram("dd", `if=${device}`, "of=/dev/null", "bs=4k", "count=1", "iflag=direct");
    assert.notEqual(read.status, 0);
    renameSync(join(pool.folder, "elsewhere"), join(pool.folder, "lost.data"));
    // Its file may be there again: the next engine finds it.
    const failed = pool.engine("lost");
    await pool.kill(failed);
    await pool.nextEngine("lost", failed);
    assert.match(await mapper.status("lost"), / rw /);
    assert.equal(
      (await runProgram("dd", `if=${device}`, "of=/dev/null", "bs=4k", "count=1", "iflag=direct")).status,
      0,
    );
    await mapper.remove("lost-1");
    await mapper.remove("lost");
  });

  test("a message that was executed is not executed again for the same id", async () => {
    await pool.create("asked", 64);
    const send = (message: string) => {
      const fd = openSync(poolPaths(pool.runDir, "asked").control, "r+");
      try {
        writeSync(fd, message, 0);
        const answer = Buffer.alloc(4096);
        return answer.toString("utf8", 0, readSync(fd, answer, 0, 4096, 0));
      } finally {
        closeSync(fd);
      }
    };
    assert.equal(send("id-1 create_thin 5"), '{"ok":true,"answer":""}');
    const engine = pool.engine("asked");
    await pool.kill(engine);
    await pool.nextEngine("asked", engine);
    assert.equal(send("id-1 create_thin 5"), '{"ok":true,"answer":""}');
    assert.match(send("id-2 create_thin 5"), /EEXIST/);
    assert.deepEqual(
      (await mapper.usage("asked")).devices.map(({ id }) => id),
      [5],
    );
    await assert.rejects(mapper.message("asked", "create_thin 5"), { code: "EEXIST" });
    await mapper.remove("asked");
  });

  test("nothing remains", async () => {
    await pool.nothingRemains();
  });
});
