import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MetadataStore } from "./metadata-store.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";

const device = { deviceId: 4, sizeBytes: 2 ** 30, transactionId: 4, initialized: false, deleted: false };

test("files have Docker's form", (t) => {
  const store = new MetadataStore(scratchFolder(t));
  store.writeDevice("4f86", device);
  store.writeDeviceSet({ nextDeviceId: 7, baseDeviceUuid: "56b16ee0", baseDeviceFileSystem: "ext4" });
  store.writeTransaction({ openTransactionId: 7, deviceHash: "9cc0", deviceId: 7 }, "durable");
  const text = (name: string) => readFileSync(join(store.folder, name), "utf8");
  assert.equal(
    text("4f86"),
    '{"device_id":4,"size":1073741824,"transaction_id":4,"initialized":false,"deleted":false}',
  );
  assert.equal(
    text("deviceset-metadata"),
    '{"next_device_id":7,"BaseDeviceUUID":"56b16ee0","BaseDeviceFilesystem":"ext4"}',
  );
  assert.equal(text("transaction-metadata"), '{"open_transaction_id":7,"device_hash":"9cc0","device_id":7}');
  assert.deepEqual(readdirSync(store.folder).sort(), ["4f86", "deviceset-metadata", "transaction-metadata"]);
});

test("what is written is read, by this process and others", (t) => {
  const root = scratchFolder(t);
  const [one, other] = [new MetadataStore(root), new MetadataStore(root)];
  assert.equal(one.device("a"), undefined);
  one.writeDevice("a", device);
  assert.deepEqual(other.device("a"), device);
  other.writeDevice("a", { ...device, deleted: true });
  assert.deepEqual(one.device("a"), { ...device, deleted: true });
  other.removeDevice("a", "not-durable");
  other.removeDevice("a", "durable");
  assert.equal(one.device("a"), undefined);
  assert.equal(one.deviceSet(), undefined);
  assert.equal(one.transaction(), undefined);
});

test("no id leads to another file than a device's", (t) => {
  const root = scratchFolder(t);
  const store = new MetadataStore(root);
  store.writeDeviceSet({ nextDeviceId: 7, baseDeviceUuid: "", baseDeviceFileSystem: "" });
  store.writeDevice("4f86", device);
  writeFileSync(join(root, "elsewhere"), readFileSync(join(store.folder, "4f86")));
  const ids = [
    "../elsewhere",
    join(root, "elsewhere"),
    "./4f86",
    "..",
    ".",
    "",
    "4f86\0",
    "x".repeat(300),
    "deviceset-metadata",
  ];
  for (const id of ids) assert.equal(store.device(id), undefined, id);
});

test("all devices are read, and nothing else", (t) => {
  const store = new MetadataStore(scratchFolder(t));
  store.writeDevice("base", { ...device, initialized: true });
  store.writeDevice("a-init", device);
  store.writeDeviceSet({ nextDeviceId: 7, baseDeviceUuid: "", baseDeviceFileSystem: "" });
  writeFileSync(join(store.folder, ".tmp-x"), "half");
  writeFileSync(join(store.folder, "old.migrated"), "{}");
  writeFileSync(join(store.folder, "broken"), '{"device_id":');
  const { devices, damaged } = store.devices();
  assert.deepEqual([...devices.keys()], ["a-init", "base"]);
  assert.deepEqual([...damaged.keys()], ["broken"]);
  store.removeTemporaryFiles();
  assert.ok(!readdirSync(store.folder).includes(".tmp-x"));
});

test("a damaged file is named, with what is wrong in it", (t) => {
  const store = new MetadataStore(scratchFolder(t));
  const cases: [string, RegExp][] = [
    ["", /it is empty/],
    ["{", /not JSON/],
    ["[]", /./],
    ["null", /./],
    ['{"size":1,"transaction_id":1,"initialized":true,"deleted":false}', /device_id/],
    ['{"device_id":16777216,"size":1,"transaction_id":1,"initialized":true,"deleted":false}', /device_id/],
    ['{"device_id":-1,"size":1,"transaction_id":1,"initialized":true,"deleted":false}', /device_id/],
    ['{"device_id":1,"size":"1G","transaction_id":1,"initialized":true,"deleted":false}', /size/],
    ['{"device_id":1,"size":1.5,"transaction_id":1,"initialized":true,"deleted":false}', /size/],
    ['{"device_id":1,"size":1,"transaction_id":1,"initialized":0,"deleted":false}', /initialized/],
  ];
  for (const [text, message] of cases) {
    writeFileSync(join(store.folder, "a"), text);
    assert.throws(() => store.device("a"), { code: "EDAMAGED", message: /metadata\/a'/ }, text);
    assert.throws(() => store.device("a"), { message }, text);
  }
  writeFileSync(join(store.folder, "a"), '{"device_id":1,"size":1,"transaction_id":1,"initialized":true}');
  assert.equal(store.device("a")?.deleted, false);
});
