import assert from "node:assert/strict";
import { test } from "node:test";
import { ThinError } from "./errors.ts";
import { parsePoolMessage } from "./pool-message.ts";

test("messages are read as the kernel reads them", () => {
  assert.deepEqual(parsePoolMessage("create_thin 0"), { kind: "create_thin", id: 0 });
  assert.deepEqual(parsePoolMessage(" create_snap  16777215 3 "), { kind: "create_snap", id: 16777215, origin: 3 });
  assert.deepEqual(parsePoolMessage("delete 7"), { kind: "delete", id: 7 });
  assert.deepEqual(parsePoolMessage("set_transaction_id 0 1"), { kind: "set_transaction_id", current: 0, next: 1 });
  assert.deepEqual(parsePoolMessage("reserve_metadata_snap"), { kind: "reserve_metadata_snap" });
  assert.deepEqual(parsePoolMessage("release_metadata_snap"), { kind: "release_metadata_snap" });
});

test("bad syntax and ids above 24 bits are EINVAL", () => {
  const bad = ["", "create", "create_thin", "create_thin 1 2", "create_thin 16777216", "create_thin -1"];
  bad.push("create_thin 0x1", "create_snap 1", "delete one", "set_transaction_id 1", "set_transaction_id 1 1.5");
  bad.push("reserve_metadata_snap now", "delete 99999999999999999999");
  for (const line of bad) {
    assert.throws(
      () => parsePoolMessage(line),
      (error) => error instanceof ThinError && error.code === "EINVAL",
      line,
    );
  }
});
