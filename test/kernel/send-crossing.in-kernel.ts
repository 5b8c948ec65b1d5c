/** Streams between the two device mappers, in one kernel that has both. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openDeviceSet, shutdownGraph } from "../../src/graph/graph.ts";
import { scratchFolder } from "../../src/graph/testing/scratch-folder.ts";
import { imageContext } from "../../src/image/image-store.ts";
import { assertSameBytes, TransferGraph } from "../../src/transfer/testing/transfer-graph.ts";

const mebibyte = 2 ** 20;

async function graphOn(
  t: TestContext,
  deviceMapper: "kernel" | "userspace",
  blockSize: string,
): Promise<TransferGraph> {
  const folder = scratchFolder(t, () => shutdownGraph({ root, deviceMapper }));
  const root = join(folder, deviceMapper);
  const sizes = ["dm.basesize=256M", "dm.loopdatasize=1G", "dm.loopmetadatasize=16M", `dm.blocksize=${blockSize}`];
  const storageOptions = ["dm.override_udev_sync_check=true", ...sizes];
  const devices = await openDeviceSet({ root, deviceMapper, storageOptions });
  return new TransferGraph(imageContext(devices), () => devices.close());
}

test("what is sent from the kernel is received in user space byte for byte, whole and by increments", async (t) => {
  const kernel = await graphOn(t, "kernel", "64K");
  const userspace = await graphOn(t, "userspace", "128K");
  await kernel.container("disk", 16 * mebibyte + 512);
  await kernel.change("disk", (device) => {
    device.write(0, randomBytes(4 * mebibyte));
    device.write(15 * mebibyte, randomBytes(mebibyte + 512));
  });
  await kernel.snapshot("disk", "monday");
  await userspace.receive(await kernel.send("monday"));
  await assertSameBytes(kernel, "monday", userspace);

  await kernel.change("disk", (device) => {
    device.discard(mebibyte, mebibyte);
    device.write(8 * mebibyte + 4096, randomBytes(65_536));
  });
  await kernel.snapshot("disk", "tuesday");
  await userspace.receive(await kernel.send("tuesday", { from: "monday" }));
  await assertSameBytes(kernel, "tuesday", userspace);
  await kernel.receive(await userspace.send("tuesday"), { name: "back" }).then(
    () => assert.fail("it is there already"),
    (error: unknown) => assert.match(String(error), /is here already, as container tuesday/),
  );
  for (const graph of [kernel, userspace]) {
    assert.deepEqual(await graph.devices.check(), []);
    await graph.stop();
  }
});
