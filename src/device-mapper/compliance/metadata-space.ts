import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { errorCode } from "../../linux/system-error.ts";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

const BLOCK = 65536;

/** Metadata devices, from too small to larger than can be used. */
export function metadataSpaceTests(makeSetup: () => DeviceMapperSetup): void {
  describe("a pool's metadata device", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    after(() => setup.destroy());

    const eventNumber = async (name: string): Promise<number> => (await mapper.info(name))!.eventNumber;

    test("too small for an empty pool: refused", async () => {
      for (const [kibibytes, code] of [
        [4, "EINVAL"],
        [32, "ENOSPC"],
      ] as const) {
        const pool = `tiny-${kibibytes}`;
        await assert.rejects(setup.createShaped(pool, { sectors: 131072, metadataMebibytes: kibibytes / 1024 }), {
          code,
        });
        assert.equal(await mapper.info(pool), undefined);
      }
    });

    test("larger than 16 GiB: what is more is not used", async () => {
      await setup.createShaped("huge", { sectors: 131072, metadataMebibytes: 17 * 1024 });
      assert.match(await mapper.status("huge"), /^0 131072 thin-pool 0 \d+\/4161600 0\/1024 - rw /);
      await mapper.message("huge", "create_thin 1");
      await mapper.remove("huge");
    });

    test("full: the pool turns read-only, and goes on when it has grown", async () => {
      const shape = { sectors: 131072, metadataMebibytes: 1 };
      const metadataDevice = (await setup.createShaped("full", shape)).split(" ")[3];
      const device = await setup.thin("full", 0, 16);
      writeAt(device, 0, Buffer.alloc(BLOCK, 1));
      const before = await eventNumber("full");
      let made = 0;
      try {
        for (; made < 300; made += 10) {
          const batch = Array.from({ length: 10 }, (_, index) => `create_thin ${made + index + 1}`);
          await mapper.messages("full", batch);
        }
        assert.fail("256 blocks have room for 300 devices");
      } catch (error) {
        assert.ok(["EOPNOTSUPP", "ENOSPC", "EIO", "EINVAL"].includes(errorCode(error) ?? ""), String(error));
      }
      assert.match(
        await mapper.status("full"),
        /^0 131072 thin-pool 0 \d+\/256 1\/1024 - ro discard_passdown queue_if_no_space - 64$/,
      );
      assert.ok((await eventNumber("full")) > before, "it tells of it");
      await assert.rejects(mapper.message("full", "create_thin 1000"), { code: "EOPNOTSUPP" });
      assert.throws(() => writeAt(device, 8 * BLOCK, Buffer.alloc(4096, 2)), { code: "EIO" });
      assert.deepEqual(readAt(device, 0, BLOCK), Buffer.alloc(BLOCK, 1));
      await mapper.reload("full", setup.shapedTable("full", { ...shape, metadataMebibytes: 4 }));
      assert.match(await mapper.status("full"), / \d+\/1024 1\/1024 - rw /);
      await mapper.message("full", "create_thin 1000");
      writeAt(device, 8 * BLOCK, Buffer.alloc(4096, 2));
      assert.deepEqual(await mapper.checkMetadata("full"), []);
      await setup.removeAll("full", "full-0");
      const checked = await runProgram("thin_check", metadataDevice);
      assert.equal(checked.status, 0, checked.output);
    });

    test("the low-water mark for metadata is told of", async () => {
      const shape = { sectors: 131072, metadataMebibytes: 1 };
      await setup.createShaped("low", shape);
      const before = await eventNumber("low");
      await mapper.messages(
        "low",
        Array.from({ length: 150 }, (_, id) => `create_thin ${id}`),
      );
      assert.equal(await eventNumber("low"), before);
      for (let id = 150; id < 200 && (await eventNumber("low")) === before; id++)
        await mapper.message("low", `create_thin ${id}`);
      assert.equal(await eventNumber("low"), before + 1);
      const [, , , , used] = (await mapper.status("low")).split(" ");
      assert.match(await mapper.status("low"), / - rw .* 64$/);
      assert.ok(Number(used.split("/")[0]) >= 256 - 64, used);
      await mapper.remove("low");
    });

    test("nothing remains", async () => {
      await setup.nothingRemains();
    });
  });
}
