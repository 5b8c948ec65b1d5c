import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MetadataStore } from "./metadata-store.ts";
import { migrateSingleFile } from "./migrate-single-file.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";

const old =
  '{"Devices":{"":{"device_id":0,"size":10737418240,"transaction_id":1,"initialized":true},' +
  '"6b0c":{"device_id":5,"size":10737418240,"transaction_id":6,"initialized":false}}}';

test("the oldest form becomes a file a device, once", (t) => {
  const root = scratchFolder(t);
  mkdirSync(join(root, "devicemapper"));
  writeFileSync(join(root, "devicemapper/json"), old);
  const store = new MetadataStore(root);
  const newer = { deviceId: 5, sizeBytes: 10737418240, transactionId: 6, initialized: false, deleted: true };
  // As a migration that was cut short, and a graph that went on, left it.
  store.writeDevice("6b0c", newer);
  const context = { root, store, log: () => undefined };
  migrateSingleFile(context);
  assert.deepEqual(store.device("base"), {
    deviceId: 0,
    sizeBytes: 10737418240,
    transactionId: 1,
    initialized: true,
    deleted: false,
  });
  assert.deepEqual(store.device("6b0c"), newer);
  assert.ok(!existsSync(join(root, "devicemapper/json")));
  assert.ok(existsSync(join(root, "devicemapper/json.migrated")));
  migrateSingleFile(context);
});

test("a damaged one is named and stays", (t) => {
  const root = scratchFolder(t);
  mkdirSync(join(root, "devicemapper"));
  writeFileSync(join(root, "devicemapper/json"), '{"Devices":{"a":{}}}');
  assert.throws(() => migrateSingleFile({ root, store: new MetadataStore(root), log: () => undefined }), {
    code: "EDAMAGED",
    message: /devicemapper\/json'.*device_id/,
  });
  assert.ok(existsSync(join(root, "devicemapper/json")));
});
