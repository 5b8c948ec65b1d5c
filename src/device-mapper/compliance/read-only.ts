import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { attachLoop, detachLoop } from "../../linux/loop.ts";
import { ThinMetadata } from "../../thin/metadata.ts";
import { type DeviceMapperSetup, discard, readAt, writeAt } from "./device-mapper-setup.ts";
import { join } from "node:path";
import { runProgram } from "./run-program.ts";

const BLOCK = 65536;
const shape = { sectors: 131072 };
const messages = [
  "create_thin 7",
  "create_snap 7 1",
  "delete 2",
  "set_transaction_id 0 1",
  "reserve_metadata_snap",
  "release_metadata_snap",
];

/** Pools that may not change: by their table, or because their metadata want a check. */
export function readOnlyTests(makeSetup: () => DeviceMapperSetup): void {
  describe("pools that are read-only", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    let metadataDevice: string;
    /** Device 1 has four blocks, of which two are shared with its snapshot 2. */
    before(async () => {
      metadataDevice = (await setup.createShaped("pool", shape)).split(" ")[3];
      const device = await setup.thin("pool", 1, 16, "volume");
      writeAt(device, 0, Buffer.alloc(2 * BLOCK, 1));
      await mapper.suspend("volume");
      await mapper.message("pool", "create_snap 2 1");
      await mapper.resume("volume");
      writeAt(device, 2 * BLOCK, Buffer.alloc(2 * BLOCK, 2));
      await setup.removeAll("pool", "volume");
    });
    after(() => setup.destroy());

    /** What a pool does that changes nothing: reads, and writes where a device has a block of its own. */
    const assertServesWhatItHas = async (): Promise<void> => {
      for (const message of messages)
        await assert.rejects(mapper.message("pool", message), { code: "EOPNOTSUPP" }, message);
      await mapper.create("volume", "0 32768 thin pool 1");
      const device = await setup.blockDevice("volume");
      assert.deepEqual(readAt(device, 0, 2 * BLOCK), Buffer.alloc(2 * BLOCK, 1));
      assert.deepEqual(readAt(device, 8 * BLOCK, BLOCK), Buffer.alloc(BLOCK));
      writeAt(device, 3 * BLOCK, Buffer.alloc(4096, 3));
      assert.deepEqual(readAt(device, 3 * BLOCK, 4096), Buffer.alloc(4096, 3));
      writeAt(device, 3 * BLOCK, Buffer.alloc(4096, 2));
      assert.throws(() => writeAt(device, 0, Buffer.alloc(4096, 4)), { code: "EIO" }, "shared");
      assert.throws(() => writeAt(device, 8 * BLOCK, Buffer.alloc(4096, 4)), { code: "EIO" }, "not mapped");
      assert.equal(await mapper.status("volume"), "0 32768 thin 512 511");
      await mapper.remove("volume");
    };

    test("by their table: they serve what they have, and change nothing", async () => {
      await setup.createShaped("pool", { ...shape, features: "1 read_only" });
      assert.match(
        await mapper.status("pool"),
        /^0 131072 thin-pool 0 \d+\/4096 4\/1024 - ro discard_passdown queue_if_no_space - \d+$/,
      );
      await assertServesWhatItHas();
      await mapper.remove("pool");
    });

    test("a table makes them so, and another makes them writable again", async () => {
      await setup.createShaped("pool", shape);
      await mapper.create("volume", "0 32768 thin pool 1");
      await mapper.reload("pool", setup.shapedTable("pool", { ...shape, features: "1 read_only" }));
      const device = await setup.blockDevice("volume");
      assert.match(await mapper.status("pool"), / - ro /);
      assert.throws(() => writeAt(device, 8 * BLOCK, Buffer.alloc(4096, 4)), { code: "EIO" });
      await mapper.reload("pool", setup.shapedTable("pool", shape));
      assert.match(await mapper.status("pool"), / - rw /);
      writeAt(device, 8 * BLOCK, Buffer.alloc(4096, 4));
      discard(device, 8 * BLOCK, BLOCK);
      await setup.removeAll("pool", "volume");
    });

    test("on a metadata device that cannot be written", async () => {
      const line = setup.shapedTable("pool", { ...shape, features: "1 read_only" });
      const metadata = attachLoop(join(setup.folder, "pool.metadata"), { readOnly: true });
      try {
        await mapper.create("pool", line.split(" ").with(3, metadata).join(" "));
        assert.match(await mapper.status("pool"), / 4\/1024 - ro /);
        await assertServesWhatItHas();
        assert.deepEqual(await mapper.checkMetadata("pool"), []);
        await mapper.remove("pool");
      } finally {
        detachLoop(metadata, { deferred: true });
      }
    });

    test("empty metadata are not formatted", async () => {
      await assert.rejects(setup.createShaped("empty", { ...shape, features: "1 read_only" }), { code: "EPERM" });
      assert.equal(await mapper.info("empty"), undefined);
      await setup.createShaped("empty", shape);
      await mapper.remove("empty");
    });

    test("until they are checked, where their metadata say so", async () => {
      const metadata = ThinMetadata.open(metadataDevice);
      metadata.setNeedsCheck();
      metadata.close();
      await setup.createShaped("pool", shape);
      assert.match(
        await mapper.status("pool"),
        /^0 131072 thin-pool 0 \d+\/4096 4\/1024 - ro discard_passdown queue_if_no_space needs_check \d+$/,
      );
      await assertServesWhatItHas();
      await mapper.remove("pool");
      const checked = await runProgram("thin_check", "--clear-needs-check-flag", metadataDevice);
      assert.equal(checked.status, 0, checked.output);
      await setup.createShaped("pool", shape);
      assert.match(await mapper.status("pool"), / 4\/1024 - rw discard_passdown queue_if_no_space - \d+$/);
      await mapper.message("pool", "delete 2");
      await mapper.remove("pool");
    });

    test("nothing remains", async () => {
      await setup.nothingRemains();
    });
  });
}
