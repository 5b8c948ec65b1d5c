import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { errorCode } from "../../linux/system-error.ts";
import { until } from "../../linux/testing/until.ts";
import { type DeviceMapperSetup, readAt } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

/** Removing devices in use: refused, or put off. */
export function removalTests(makeSetup: () => DeviceMapperSetup): void {
  describe("devices in use are not removed", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    before(() => setup.create("pool", 128));
    after(() => setup.destroy());

    test("one that is merely open is busy, and stays", async () => {
      const device = await setup.thin("pool", 1, 16, "first");
      const fd = openSync(device, "r");
      try {
        await assert.rejects(mapper.remove("first"), { code: "EBUSY" });
      } finally {
        closeSync(fd);
      }
      assert.equal((await mapper.info("first"))?.blockDevice, device);
      assert.equal(readAt(device, 0, 4096).length, 4096);
      await mapper.remove("first");
    });

    test("deferred removal waits for the last user; cancelled, it does not happen", async () => {
      const device = await setup.thin("pool", 30, 64, "later");
      assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
      const point = setup.point("later");
      await mountAsync(device, point, "ext4");
      await mapper.remove("later", { deferred: true });
      assert.equal((await mapper.info("later"))?.deferredRemove, true);
      await mapper.cancelDeferredRemoval("later");
      assert.equal((await mapper.info("later"))?.deferredRemove, false);
      await unmountAsync(point);
      assert.equal((await mapper.info("later"))?.deferredRemove, false);
      await mountAsync(device, point, "ext4");
      await mapper.remove("later", { deferred: true });
      writeFileSync(join(point, "still"), "usable");
      await unmountAsync(point);
      await until("it went", async () => (await mapper.info("later")) === undefined);
      // The kernel lets go of the thin device a little after its name is gone.
      await until("its thin device can be deleted", async () => {
        try {
          await mapper.message("pool", "delete 30");
          return true;
        } catch (error) {
          assert.equal(errorCode(error), "EBUSY");
          return false;
        }
      });
    });

    test("deferred removal of what nobody uses happens at once", async () => {
      await setup.thin("pool", 31, 16, "idle");
      await mapper.remove("idle", { deferred: true });
      assert.equal(await mapper.info("idle"), undefined);
      await mapper.message("pool", "delete 31");
    });

    test("a pool goes with its last device; cancelled, it stays", async () => {
      await setup.create("other", 64);
      await setup.thin("other", 1, 16);
      await mapper.remove("other", { deferred: true });
      assert.equal((await mapper.info("other"))?.deferredRemove, true);
      await mapper.cancelDeferredRemoval("other");
      assert.equal((await mapper.info("other"))?.deferredRemove, false);
      await mapper.remove("other-1");
      await setup.thin("other", 2, 16);
      await mapper.remove("other", { deferred: true });
      await setup.thin("other", 3, 16);
      await mapper.remove("other-2");
      assert.equal((await mapper.info("other"))?.deferredRemove, true);
      await mapper.remove("other-3");
      await until("it went", async () => (await mapper.info("other")) === undefined);
      await setup.create("other", 64);
      await mapper.remove("other", { deferred: true });
      assert.equal(await mapper.info("other"), undefined);
    });

    test("nothing remains", async () => {
      await mapper.remove("pool");
      await setup.nothingRemains();
    });
  });
}
