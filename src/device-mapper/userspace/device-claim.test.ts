import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { cannotRun, TestPool } from "./test-pool.ts";

describe("a pool's devices are its own", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const { mapper } = pool;
  after(() => pool.destroy());

  test("a second pool on files in use is refused; once they are free it starts", async () => {
    const line = await pool.create("one", 64);
    await assert.rejects(mapper.create("two", line), (error: Error & { code?: string }) => {
      assert.equal(error.code, "EBUSY");
      assert.match(error.message, /one\.metadata: it is in use/);
      return true;
    });
    const [, , , metadata] = line.split(" ");
    await assert.rejects(mapper.create("two", line.replace(metadata, pool.file("other.metadata", 16))), {
      code: "EBUSY",
      message: /one\.data: it is in use/,
    });
    await mapper.remove("one");
    await mapper.create("two", line);
    await mapper.remove("two");
    await pool.nothingRemains();
  });

  test("an engine that comes after a killed one claims them again", async () => {
    const line = await pool.create("three", 64);
    const engine = pool.engine("three");
    await pool.kill(engine);
    await pool.nextEngine("three", engine);
    assert.match(await mapper.status("three"), / rw /);
    await assert.rejects(mapper.create("four", line), { code: "EBUSY" });
    await mapper.remove("three");
  });
});
