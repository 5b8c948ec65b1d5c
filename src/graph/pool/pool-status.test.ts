import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePoolStatus } from "./pool-status.ts";

test("reads the line that the kernel prints", () => {
  const line = "0 4194304 thin-pool 7 1680/16384 1090/32768 - rw discard_passdown queue_if_no_space - 1024";
  assert.deepEqual(parsePoolStatus("pool", line), {
    sectors: 4194304,
    transactionId: 7,
    usedMetadataBlocks: 1680,
    totalMetadataBlocks: 16384,
    usedDataBlocks: 1090,
    totalDataBlocks: 32768,
    mode: "rw",
    needsCheck: false,
  });
  const failed = "0 4194304 thin-pool 7 1/2 3/4 - ro discard_passdown queue_if_no_space needs_check 1024";
  assert.deepEqual(parsePoolStatus("pool", failed).needsCheck, true);
});

test("a failed pool is named", () => {
  for (const line of ["0 4194304 thin-pool Fail", "0 8 thin 0 -", ""]) {
    assert.throws(() => parsePoolStatus("docker-pool", line), { code: "EIO", message: /docker-pool/ });
  }
});
