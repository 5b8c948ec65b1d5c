import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { checkDeviceId, deviceNames } from "./device-names.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";

test("names hold the graph's device and inode", (t) => {
  const root = scratchFolder(t);
  const names = deviceNames(root);
  assert.match(names.prefix, new RegExp(`^docker-\\d+:\\d+-${statSync(root).ino}$`));
  assert.equal(names.ownPool, `${names.prefix}-pool`);
  assert.equal(names.device("base"), `${names.prefix}-base`);
  assert.equal(names.idOf(names.device("4f86-init")), "4f86-init");
  assert.equal(names.idOf(names.ownPool), undefined);
  assert.equal(names.idOf("docker-1:2-3-base"), undefined);
});

test("an id that is no good name is refused", () => {
  for (const id of ["4f86", "4f86-init", "a".repeat(100), "A.b_c-1"]) checkDeviceId(id);
  const bad = ["", ".", "..", "../x", "a/b", "-a", " a", "a b", "a\n", "a".repeat(101), "base", "pool", "ä"];
  for (const id of [...bad, "deviceset-metadata", "transaction-metadata", "x.migrated"]) {
    assert.throws(() => checkDeviceId(id), { code: "EINVAL" }, id);
  }
});
