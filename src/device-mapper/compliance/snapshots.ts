import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";

const BLOCK = 65536;
const DEPTH = 1000;
const EVERY = 125;

/** Snapshots of snapshots. */
export function snapshotTests(makeSetup: () => DeviceMapperSetup): void {
  describe("snapshots of snapshots", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    before(() => setup.createShaped("pool", { sectors: 131072 }));
    after(() => setup.destroy());

    const used = async (): Promise<number> => Number((await mapper.status("pool")).split(" ")[5].split("/")[0]);
    const open = async (id: number): Promise<string> => {
      await mapper.create(`device-${id}`, `0 32768 thin pool ${id}`);
      return setup.blockDevice(`device-${id}`);
    };
    /** A byte for each level that was written. */
    const levelsOf = (device: string): number[] => {
      const bytes = readAt(device, 0, 16 * BLOCK);
      return Array.from({ length: 16 }, (_, block) => bytes[block * BLOCK + 100]);
    };
    const expectedAt = (level: number): number[] =>
      Array.from({ length: 16 }, (_, block) => (block * EVERY <= level && block * EVERY <= DEPTH ? block + 1 : 0));

    test(`${DEPTH} deep, each has what those above it had when it was made`, async () => {
      await mapper.message("pool", "create_thin 0");
      for (let level = 0; level <= DEPTH; level += EVERY) {
        if (level > 0) {
          const chain = Array.from({ length: EVERY }, (_, index) => level - EVERY + index + 1);
          await mapper.messages(
            "pool",
            chain.map((id) => `create_snap ${id} ${id - 1}`),
          );
        }
        const device = await open(level);
        writeAt(device, (level / EVERY) * BLOCK, Buffer.alloc(BLOCK, level / EVERY + 1));
        await mapper.remove(`device-${level}`);
      }
      assert.equal(await used(), DEPTH / EVERY + 1);
      const devices = await mapper.thinDevices("pool");
      assert.deepEqual(
        devices.map(({ id, mappedBlocks, creationTime }) => [id, mappedBlocks, creationTime]),
        Array.from({ length: DEPTH + 1 }, (_, id) => [id, Math.floor(id / EVERY) + 1, id]),
      );
      for (const level of [0, 1, EVERY - 1, EVERY, EVERY + 1, DEPTH / 2, DEPTH - 1, DEPTH]) {
        assert.deepEqual(levelsOf(await open(level)), expectedAt(level), `level ${level}`);
        await mapper.remove(`device-${level}`);
      }
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
    });

    test("a write in the midst is that one's alone", async () => {
      const device = await open(DEPTH / 2);
      writeAt(device, 100, Buffer.alloc(1, 77));
      assert.deepEqual(levelsOf(device), expectedAt(DEPTH / 2).with(0, 77));
      await mapper.remove(`device-${DEPTH / 2}`);
      for (const level of [DEPTH / 2 - 1, DEPTH / 2 + 1]) {
        assert.deepEqual(levelsOf(await open(level)), expectedAt(level));
        await mapper.remove(`device-${level}`);
      }
    });

    test("they are deleted in any order, and what is left is whole", async () => {
      const last = DEPTH;
      const order = Array.from({ length: DEPTH }, (_, id) => id).sort(
        (a, b) => ((a * 7919) % 1009) - ((b * 7919) % 1009),
      );
      await mapper.messages(
        "pool",
        order.slice(0, DEPTH / 2).map((id) => `delete ${id}`),
      );
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
      await mapper.messages(
        "pool",
        order.slice(DEPTH / 2).map((id) => `delete ${id}`),
      );
      assert.deepEqual(
        (await mapper.thinDevices("pool")).map(({ id }) => id),
        [last],
      );
      assert.equal(await used(), DEPTH / EVERY + 1);
      assert.deepEqual(levelsOf(await open(last)), expectedAt(last));
      await mapper.remove(`device-${last}`);
      await mapper.message("pool", `delete ${last}`);
      assert.equal(await used(), 0);
      assert.deepEqual(await mapper.checkMetadata("pool"), []);
    });

    test("of a device in use, one after the other, each is of its moment", async () => {
      await mapper.message("pool", "create_thin 0");
      const device = await open(0);
      for (let moment = 1; moment <= 20; moment++) {
        writeAt(device, 0, Buffer.alloc(4096, moment));
        await mapper.suspend("device-0");
        await mapper.message("pool", `create_snap ${moment} 0`);
        await mapper.resume("device-0");
      }
      writeAt(device, 0, Buffer.alloc(4096, 99));
      for (const moment of [1, 2, 10, 19, 20]) {
        assert.equal(readAt(await open(moment), 0, 4096)[0], moment);
        await mapper.remove(`device-${moment}`);
      }
      await mapper.messages(
        "pool",
        Array.from({ length: 20 }, (_, index) => `delete ${index + 1}`),
      );
      assert.equal(await used(), 1);
      await mapper.remove("device-0");
    });

    test("nothing remains", async () => {
      await mapper.remove("pool");
      await setup.nothingRemains();
    });
  });
}
