import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { type DeviceMapperSetup, whetherHeld, writeZeroes } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

/** Holding I/O, and letting it go. */
export function suspensionTests(makeSetup: () => DeviceMapperSetup): void {
  describe("suspended devices hold their I/O", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    let device: string;
    before(async () => {
      await setup.create("pool", 128);
      device = await setup.thin("pool", 1, 64, "first");
    });
    after(() => setup.destroy());

    for (const options of [{}, { noFlush: true }]) {
      test(`a thin device, suspended ${options.noFlush === true ? "without flushing" : "and flushed"}`, async () => {
        await mapper.suspend("first", options);
        assert.equal((await mapper.info("first"))?.suspended, true);
        assert.equal((await mapper.info("pool"))?.suspended, false);
        const writing = writeZeroes(device, 1);
        assert.equal(await whetherHeld(writing), "held");
        await mapper.suspend("first", options); // again, which changes nothing
        await mapper.resume("first");
        assert.equal((await writing).status, 0);
        assert.equal((await mapper.info("first"))?.suspended, false);
        await mapper.resume("first");
      });
    }

    test("a pool holds the I/O of all its devices", async () => {
      await mapper.suspend("pool");
      assert.equal((await mapper.info("pool"))?.suspended, true);
      assert.equal((await mapper.info("first"))?.suspended, false);
      const writing = writeZeroes(device, 1);
      assert.equal(await whetherHeld(writing), "held");
      await assert.rejects(mapper.create("second", "0 2048 thin pool 1"));
      assert.match(await mapper.status("pool"), /^0 262144 thin-pool 0 /);
      await mapper.resume("pool");
      assert.equal((await writing).status, 0);
      assert.equal((await mapper.info("pool"))?.suspended, false);
    });

    test("a device that was suspended stays so while its pool is, and after", async () => {
      await mapper.suspend("first");
      await mapper.suspend("pool");
      await mapper.resume("pool");
      assert.equal((await mapper.info("first"))?.suspended, true);
      const writing = writeZeroes(device, 1);
      assert.equal(await whetherHeld(writing), "held");
      await mapper.resume("first");
      assert.equal((await writing).status, 0);
    });

    test("a mounted file system is at rest while its device is suspended: a snapshot of it is whole", async () => {
      assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
      const point = setup.point("origin");
      await mountAsync(device, point, "ext4");
      writeFileSync(join(point, "file"), "not yet written out");
      await mapper.suspend("first");
      await mapper.message("pool", "create_snap 2 1");
      await mapper.resume("first");
      await mapper.create("snap", "0 131072 thin pool 2");
      const snapshot = await setup.blockDevice("snap");
      const checked = await runProgram("e2fsck", "-fn", snapshot);
      assert.equal(checked.status, 0, checked.output);
      const other = setup.point("snapshot");
      await mountAsync(snapshot, other, "ext4");
      assert.equal(readFileSync(join(other, "file"), "utf8"), "not yet written out");
      await unmountAsync(other);
      await unmountAsync(point);
      await mapper.remove("snap");
    });

    test("nothing remains", async () => {
      await mapper.remove("first");
      await mapper.remove("pool");
      await setup.nothingRemains();
    });
  });
}
