import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceIds } from "./device-ids.ts";
import { MetadataStore } from "../files/metadata-store.ts";
import { scratchFolder } from "../testing/scratch-folder.ts";

const set = { baseDeviceUuid: "u", baseDeviceFileSystem: "ext4" };

test("ids go upwards from the stored one, and what was not needed goes back", (t) => {
  const store = new MetadataStore(scratchFolder(t));
  store.writeDeviceSet({ ...set, nextDeviceId: 7 });
  const ids = new DeviceIds(store);
  assert.deepEqual([ids.next(), ids.next(), ids.next(), ids.next()], [8, 9, 10, 11]);
  assert.ok(store.deviceSet()!.nextDeviceId >= 11);
  ids.giveBack();
  assert.deepEqual(store.deviceSet(), { ...set, nextDeviceId: 11 });
});

test("two at once never give the same id", (t) => {
  const root = scratchFolder(t);
  const [one, other] = [new DeviceIds(new MetadataStore(root)), new DeviceIds(new MetadataStore(root))];
  const given = new Set<number>();
  for (let round = 0; round < 200; round++) given.add(one.next()).add(other.next());
  assert.equal(given.size, 400);
  one.giveBack();
  other.giveBack();
  const third = new DeviceIds(new MetadataStore(root));
  assert.ok(!given.has(third.next()));
});

test("at the end of 24 bits they begin again, with 1", (t) => {
  const store = new MetadataStore(scratchFolder(t));
  store.writeDeviceSet({ ...set, nextDeviceId: 0xfffffd });
  const ids = new DeviceIds(store);
  assert.deepEqual([ids.next(), ids.next(), ids.next(), ids.next()], [0xfffffe, 0xffffff, 1, 2]);
});
