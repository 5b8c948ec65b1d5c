import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { deviceSizeBytes } from "../../linux/block-device.ts";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";
import { pattern } from "./pattern.ts";

const SECTOR = 512;

/** Sizes, from the smallest to the largest, and those that are no multiple of anything. */
export function limitTests(makeSetup: () => DeviceMapperSetup): void {
  describe("sizes", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    after(() => setup.destroy());

    for (const blockSectors of [128, 384, 2048 + 128]) {
      test(`blocks of ${blockSectors} sectors`, async () => {
        const sectors = 4 * blockSectors;
        const pool = `sized-${blockSectors}`;
        await setup.createShaped(pool, { sectors, blockSectors });
        await mapper.message(pool, "create_thin 1");
        await mapper.create("volume", `0 ${sectors} thin ${pool} 1`);
        const device = await setup.blockDevice("volume");
        const bytes = pattern(8192, 3);
        const boundary = blockSectors * SECTOR;
        writeAt(device, boundary - 4096, bytes); // half in the first block, half in the second
        assert.deepEqual(readAt(device, boundary - 4096, 8192), bytes);
        assert.deepEqual(readAt(device, boundary + 4096, 4096), Buffer.alloc(4096));
        assert.deepEqual(readAt(device, 0, 4096), Buffer.alloc(4096));
        assert.equal(await mapper.status("volume"), `0 ${sectors} thin ${2 * blockSectors} ${2 * blockSectors - 1}`);
        assert.match(await mapper.status(pool), / 2\/4 - rw /);
        await mapper.message(pool, "create_snap 2 1");
        writeAt(device, 0, bytes);
        assert.match(await mapper.status(pool), / 3\/4 - rw /);
        assert.deepEqual(readAt(device, boundary - 4096, 4096), bytes.subarray(0, 4096));
        await setup.removeAll(pool, "volume");
      });
    }

    test("blocks of 1 GiB", async () => {
      const blockSectors = 2097152;
      await setup.createShaped("largest", {
        sectors: 4 * blockSectors,
        blockSectors,
        features: "1 skip_block_zeroing",
      });
      const device = await setup.thin("largest", 1, 4096, "volume");
      const boundary = blockSectors * SECTOR;
      writeAt(device, boundary - 4096, pattern(8192, 3));
      assert.deepEqual(readAt(device, boundary - 4096, 8192), pattern(8192, 3));
      assert.equal(await mapper.status("volume"), `0 8388608 thin ${2 * blockSectors} ${2 * blockSectors - 1}`);
      assert.match(await mapper.status("largest"), / 2\/4 - rw /);
      await setup.removeAll("largest", "volume");
    });

    test("blocks that are too small, too large, or no multiple of 64 KiB are refused", async () => {
      for (const blockSectors of [0, 1, 64, 127, 129, 192, 2097152 + 128, 4194304, 2 ** 31]) {
        const table = setup.shapedTable("refused", { sectors: 131072, blockSectors });
        await assert.rejects(mapper.create("refused", table), { code: "EINVAL" }, `${blockSectors} sectors`);
        assert.equal(await mapper.info("refused"), undefined);
      }
    });

    test("thin devices of any number of sectors end where they end", async () => {
      await setup.createShaped("odd", { sectors: 131072 });
      for (const sectors of [1, 127, 129, 128 * 5 + 3, 12345]) {
        await mapper.message("odd", "create_thin 1");
        await mapper.create("volume", `0 ${sectors} thin odd 1`);
        const device = await setup.blockDevice("volume");
        assert.equal(deviceSizeBytes(device), sectors * SECTOR);
        const bytes = pattern(sectors * SECTOR, 2);
        writeAt(device, 0, bytes);
        assert.deepEqual(readAt(device, 0, sectors * SECTOR), bytes);
        assert.equal(readAt(device, sectors * SECTOR, SECTOR).length, 0);
        assert.throws(() => writeAt(device, sectors * SECTOR, Buffer.alloc(SECTOR)), { code: "ENOSPC" });
        const mapped = Math.ceil(sectors / 128) * 128;
        assert.equal(await mapper.status("volume"), `0 ${sectors} thin ${mapped} ${mapped - 1}`);
        // What the last block has beyond the device's end is there when it grows, and zero.
        await mapper.reload("volume", `0 ${mapped} thin odd 1`);
        assert.deepEqual(readAt(device, 0, mapped * SECTOR), Buffer.concat([bytes], mapped * SECTOR));
        await mapper.remove("volume");
        await mapper.message("odd", "delete 1");
      }
      await mapper.remove("odd");
    });

    test("a thin device may become shorter, and has what it had when it is long again", async () => {
      await setup.createShaped("short", { sectors: 131072 });
      const device = await setup.thin("short", 1, 16, "volume");
      writeAt(device, 15 << 20, pattern(4096, 5));
      await mapper.reload("volume", "0 1000 thin short 1");
      assert.equal(deviceSizeBytes(device), 1000 * SECTOR);
      assert.equal((await mapper.table("volume")).split(" ")[1], "1000");
      await mapper.reload("volume", "0 32768 thin short 1");
      assert.deepEqual(readAt(device, 15 << 20, 4096), pattern(4096, 5));
      await setup.removeAll("short", "volume");
    });

    test("a thin device may be far larger than its pool", async () => {
      await setup.createShaped("small", { sectors: 131072 });
      const sectors = 2 ** 33; // 4 TiB
      await mapper.message("small", "create_thin 1");
      await mapper.create("volume", `0 ${sectors} thin small 1`);
      const device = await setup.blockDevice("volume");
      assert.equal(deviceSizeBytes(device), sectors * SECTOR);
      writeAt(device, (sectors - 8) * SECTOR, pattern(4096, 9));
      assert.deepEqual(readAt(device, (sectors - 8) * SECTOR, 4096), pattern(4096, 9));
      assert.equal(await mapper.status("volume"), `0 ${sectors} thin 128 ${sectors - 1}`);
      await setup.removeAll("small", "volume");
    });

    test("a pool uses whole blocks of its length, and grows by them", async () => {
      const line = await setup.createShaped("part", { sectors: 1000 });
      assert.match(await mapper.status("part"), /^0 1000 thin-pool 0 \d+\/4096 0\/7 - rw /);
      await mapper.reload("part", setup.shapedTable("part", { sectors: 1023 }));
      assert.match(await mapper.status("part"), /^0 1023 thin-pool 0 \d+\/4096 0\/7 - rw /);
      await mapper.reload("part", setup.shapedTable("part", { sectors: 1024 }));
      assert.match(await mapper.status("part"), /^0 1024 thin-pool 0 \d+\/4096 0\/8 - rw /);
      await mapper.remove("part");
      await assert.rejects(mapper.create("part", line), { code: "EINVAL" }, "fewer blocks than it had");
      assert.equal(await mapper.info("part"), undefined);
    });

    test("a data device that shrank is refused, whatever the table says", async () => {
      const table = await setup.createShaped("shrunk", { sectors: 131072 });
      await mapper.remove("shrunk");
      const shorter = setup.shapedTable("shrunk", { sectors: 65536 });
      await assert.rejects(mapper.create("shrunk", table), { code: "EINVAL" });
      await assert.rejects(mapper.create("shrunk", shorter), { code: "EINVAL" });
      assert.equal(await mapper.info("shrunk"), undefined);
      await setup.createShaped("shrunk", { sectors: 131072 });
      await mapper.remove("shrunk");
    });

    test("a pool's block size stays what it was made with", async () => {
      await setup.createShaped("stays", { sectors: 131072 });
      await mapper.remove("stays");
      const other = setup.shapedTable("stays", { sectors: 131072, blockSectors: 256 });
      await assert.rejects(mapper.create("stays", other), { code: "EINVAL" });
      await setup.createShaped("stays", { sectors: 131072 });
      await mapper.remove("stays");
    });

    test("two pools know nothing of each other", async () => {
      const devices = [];
      for (const pool of ["left", "right"]) {
        await setup.createShaped(pool, { sectors: 131072 });
        devices.push(await setup.thin(pool, 1, 16));
      }
      for (const [index, device] of devices.entries()) writeAt(device, 0, pattern(65536, index));
      for (const [index, device] of devices.entries())
        assert.deepEqual(readAt(device, 0, 65536), pattern(65536, index));
      await mapper.message("left", "set_transaction_id 0 4");
      await mapper.message("left", "create_thin 2");
      assert.deepEqual(
        (await mapper.thinDevices("right")).map(({ id }) => id),
        [1],
      );
      await assert.rejects(mapper.create("right-2", "0 32768 thin right 2"), { code: "ENODATA" });
      await setup.removeAll("left", "left-1");
      assert.match(await mapper.status("right"), / thin-pool 0 \d+\/4096 1\/1024 - rw /);
      await setup.removeAll("right", "right-1");
    });

    test("nothing remains", async () => {
      await setup.nothingRemains();
    });
  });
}
