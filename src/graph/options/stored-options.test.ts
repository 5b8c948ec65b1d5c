import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { effectiveOptions, storeOptions } from "./stored-options.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";

test("options of the first start are kept, and used by later starts", (t) => {
  const root = scratchFolder(t);
  const first = effectiveOptions(root, ["dm.basesize=1G", "dm.mountopt=noatime", "dm.mkfsarg=-m 0", "dm.mkfsarg=-q"]);
  assert.deepEqual(first.toStore, ["dm.basesize=1G", "dm.mountopt=noatime", "dm.mkfsarg=-m 0", "dm.mkfsarg=-q"]);
  storeOptions(root, first.toStore);
  const later = effectiveOptions(root, []);
  assert.equal(later.options.baseSizeBytes, 2 ** 30);
  assert.equal(later.options.mountOptions, "noatime");
  assert.deepEqual(later.options.mkfsArguments, ["-m 0", "-q"]);
  assert.equal(later.toStore, undefined);
  assert.equal(later.changed, false);
  assert.equal(effectiveOptions(root, ["dm.mountopt=noatime"]).changed, false);
  assert.equal(effectiveOptions(root, ["dm.mountopt=nodiratime"]).changed, true);
});

test("an option given later counts for that start; a larger size for good", (t) => {
  const root = scratchFolder(t);
  storeOptions(root, ["dm.basesize=1G", "dm.mountopt=noatime"]);
  const later = effectiveOptions(root, ["dm.mountopt=discard", "dm.basesize=2G", "dm.loopdatasize=50G"]);
  assert.equal(later.options.mountOptions, "discard");
  assert.deepEqual(later.toStore, ["dm.basesize=2G", "dm.mountopt=noatime"]);
});

test("what is settled when a graph is made cannot be changed", (t) => {
  const root = scratchFolder(t);
  storeOptions(root, ["dm.blocksize=128K"]);
  for (const option of ["dm.blocksize=64K", "dm.thinpooldev=other", "dm.datadev=/dev/sdb", "dm.metadatadev=/dev/sdb"]) {
    const message = new RegExp(`Cannot change ${option.split("=")[0].replace(".", "\\.")}`);
    assert.throws(() => effectiveOptions(root, [option]), { code: "EINVAL", message });
  }
  assert.equal(effectiveOptions(root, ["dm.blocksize=131072"]).toStore, undefined);
});

test("a damaged file is named", (t) => {
  const root = scratchFolder(t);
  writeFileSync(join(root, "storage-options.json"), '{"storage-opts": "dm.basesize=1G"}');
  assert.throws(() => effectiveOptions(root, []), { code: "EDAMAGED", message: /storage-options\.json.*storage-opts/ });
});
