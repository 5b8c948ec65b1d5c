import assert from "node:assert/strict";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockHolders } from "./lock-holders.ts";
import { RangeLocks } from "./range-lock.ts";

test("who holds a lock on a byte is found in /proc", (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mica-locks-")));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "lock");
  const locks = new RangeLocks(path);
  t.after(() => locks.close());
  assert.deepEqual(lockHolders(path, 100n), []);
  locks.try(100n, 1n, "exclusive");
  locks.try(2n ** 40n, 2n ** 20n, "shared");
  assert.deepEqual(lockHolders(path, 99n), []);
  assert.deepEqual(lockHolders(path, 100n), [process.pid]);
  assert.deepEqual(lockHolders(path, 101n), []);
  assert.deepEqual(lockHolders(path, 2n ** 40n + 5n), [process.pid]);
  assert.deepEqual(lockHolders(join(folder, "other"), 100n), []);
  locks.release(100n, 1n);
  assert.deepEqual(lockHolders(path, 100n), []);
});
