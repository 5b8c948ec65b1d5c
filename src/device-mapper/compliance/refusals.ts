import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { attachLoop, detachLoop } from "../../linux/loop.ts";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

/** What is refused, with which code, and that nothing changed. */
export function refusalTests(makeSetup: () => DeviceMapperSetup): void {
  describe("what cannot be is refused with a code and a reason", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    before(async () => {
      await setup.create("pool", 64);
      await setup.thin("pool", 1, 16, "first");
    });
    after(() => setup.destroy());

    test("devices that are there, and those that are not", async () => {
      await assert.rejects(mapper.create("pool", setup.table("pool", 64)), { code: "EEXIST" });
      await assert.rejects(mapper.create("first", "0 2048 thin pool 1"), { code: "EEXIST" });
      await assert.rejects(mapper.create("again", "0 2048 thin pool 1"), { code: "EBUSY" });
      await assert.rejects(mapper.create("no-device", "0 2048 thin pool 77"), { code: "ENODATA" });
      await assert.rejects(mapper.create("no-pool", "0 2048 thin nowhere 1"), { code: "ENXIO" });
      for (const work of [
        () => mapper.remove("nobody"),
        () => mapper.remove("nobody", { deferred: true }),
        () => mapper.cancelDeferredRemoval("nobody"),
        () => mapper.suspend("nobody"),
        () => mapper.flush("nobody"),
        () => mapper.resume("nobody"),
        () => mapper.status("nobody"),
        () => mapper.table("nobody"),
        () => mapper.deps("nobody"),
        () => mapper.reload("nobody", "0 2048 thin pool 1"),
        () => mapper.message("nobody", "create_thin 1"),
        () => mapper.waitForEvent("nobody", 0),
        () => mapper.usage("nobody"),
        () => mapper.thinDevices("nobody"),
        () => mapper.locate("nobody", 1, 0),
        () => mapper.checkMetadata("nobody"),
      ]) {
        await assert.rejects(work(), { name: "DeviceMapperError", code: "ENXIO" }, work.toString());
      }
      for (const name of ["again", "no-device", "no-pool"]) assert.equal(await mapper.info(name), undefined);
    });

    test("tables and names that are none", async () => {
      for (const table of [
        "0 x thin pool 1",
        "0 2048 thin pool",
        "1 2048 thin pool 1",
        "0 2048 thin pool 16777216",
        "0 2048 linear a 0",
        "",
      ]) {
        await assert.rejects(mapper.create("bad", table), { code: "EINVAL" }, table);
      }
      for (const name of ["../up", "a b", "control", "", "x.lock", "x".repeat(128)]) {
        await assert.rejects(mapper.create(name, "0 2048 thin pool 1"), { code: "EINVAL" });
        assert.equal(await mapper.info(name), undefined);
      }
      assert.equal(await mapper.info("bad"), undefined);
    });

    test("messages", async () => {
      const refusals: [string, string][] = [
        ["create_thin 1", "EEXIST"],
        ["create_snap 1 1", "EEXIST"],
        ["create_snap 9 8", "ENODATA"],
        ["delete 7", "ENODATA"],
        ["delete 1", "EBUSY"],
        ["set_transaction_id 4 5", "EINVAL"],
        ["release_metadata_snap", "EINVAL"],
        ["create_thin 16777216", "EINVAL"],
        ["create_thin", "EINVAL"],
        ["create_thin x", "EINVAL"],
        ["frobnicate", "EINVAL"],
      ];
      for (const [message, code] of refusals) await assert.rejects(mapper.message("pool", message), { code }, message);
      assert.deepEqual(
        (await mapper.thinDevices("pool")).map(({ id }) => id),
        [1],
      );
      await assert.rejects(mapper.locate("pool", 7, 0), { code: "ENODATA" });
    });

    test("reloads that would make it another device", async () => {
      const before = await mapper.table("pool");
      await assert.rejects(mapper.reload("pool", setup.table("pool", 64).replace("131072", "65536")), {
        code: "EINVAL",
      });
      await assert.rejects(mapper.reload("pool", setup.table("pool", 64).replace(" 128 ", " 256 ")), {
        code: "EINVAL",
      });
      await assert.rejects(mapper.reload("pool", setup.table("pool", 64).replace("131072", "999999999")), {
        code: "EINVAL",
      });
      await assert.rejects(mapper.reload("first", "0 32768 thin pool 2"), { code: "EINVAL" });
      await assert.rejects(mapper.reload("first", "0 32768 thin nowhere 1"));
      assert.equal(await mapper.table("pool"), before);
      for (const name of ["pool", "first"]) assert.equal((await mapper.info(name))?.suspended, false);
      const device = await setup.blockDevice("first");
      writeAt(device, 0, Buffer.from("works"));
      assert.equal(readAt(device, 0, 5).toString(), "works");
    });

    test("a pool that has active devices says which", async () => {
      await assert.rejects(mapper.remove("pool"), { code: "EBUSY", message: /first/ });
    });

    test("a pool that cannot start says why, and leaves nothing", async () => {
      const good = setup.table("failing", 64).split(" ");
      const tables: [string, RegExp][] = [
        [good.with(4, "/nonexistent/data").join(" "), /nonexistent/],
        [good.with(5, "100").join(" "), /block size/],
        [good.with(1, "99999999").join(" "), /data/],
        [good.with(3, setup.device("broken", 16)).join(" "), /superblock|metadata/],
      ];
      writeAt(setup.device("broken", 16), 0, Buffer.alloc(8192, 0x5a));
      for (const [table, message] of tables) {
        await assert.rejects(mapper.create("failing", table), { name: "DeviceMapperError", message });
      }
      assert.equal(await mapper.info("failing"), undefined);
    });

    test("a second pool on devices in use; once they are free it starts", async () => {
      const line = await setup.create("one", 64);
      await assert.rejects(mapper.create("two", line), { code: "EBUSY" });
      const otherMetadata = line.split(" ").with(3, setup.device("other.metadata", 16)).join(" ");
      await assert.rejects(mapper.create("two", otherMetadata), { code: "EBUSY" });
      assert.equal(await mapper.info("two"), undefined);
      await mapper.remove("one");
      await mapper.create("two", line);
      await mapper.remove("two");
    });

    test("two mappers that create the same pool at once: one wins", async () => {
      const table = setup.table("raced", 64);
      const both = [mapper.create("raced", table), setup.another().create("raced", table)];
      const results = await Promise.allSettled(both);
      assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      await mapper.remove("raced");
    });

    test("a block device that is mounted is refused, and left as it is", async () => {
      const device = attachLoop(setup.file("disk", 64));
      const point = setup.point("mounted");
      try {
        assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
        await mountAsync(device, point, "ext4");
        writeFileSync(join(point, "file"), "stays");
        const line = `0 131072 thin-pool ${setup.device("five.metadata", 16)} ${device} 128 0`;
        await assert.rejects(mapper.create("five", line), { code: "EBUSY", message: new RegExp(device) });
        assert.equal(readFileSync(join(point, "file"), "utf8"), "stays");
        await unmountAsync(point);
        const checked = await runProgram("e2fsck", "-fn", device);
        assert.equal(checked.status, 0, checked.output);
      } finally {
        detachLoop(device, { deferred: true });
      }
    });

    test("nothing remains", async () => {
      await mapper.remove("first");
      await mapper.remove("pool");
      await setup.nothingRemains();
    });
  });
}
