import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { deviceSizeBytes } from "../../linux/block-device.ts";
import { deviceNumber } from "../../linux/device-path.ts";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { type DeviceMapperSetup, readAt, writeAt } from "./device-mapper-setup.ts";
import { runProgram } from "./run-program.ts";

const BLOCK = 65536;

/** Whether a word of a table means a device: the kernel's mapper tells numbers, the userspace one names and paths. */
async function assertDevice(setup: DeviceMapperSetup, word: string, device: string): Promise<void> {
  if (word === device) return;
  const info = await setup.mapper.info(device);
  const number = info === undefined ? deviceNumber(device) : `${info.major}:${info.minor}`;
  assert.equal(word, number, `${word} is ${device}`);
}

function queueOf(device: string, attribute: string): string {
  return readFileSync(`/sys/dev/block/${deviceNumber(device)}/queue/${attribute}`, "utf8").trim();
}

/** Creating, telling of, reloading, removing. */
export function lifecycleTests(makeSetup: () => DeviceMapperSetup): void {
  describe("devices come, tell of themselves, change and go", () => {
    const setup = makeSetup();
    const { mapper } = setup;
    let line: string;
    before(async () => {
      line = await setup.create("pool", 256);
    });
    after(() => setup.destroy());

    test("a pool tells what it is", async () => {
      const [start, sectors, target, metadata, data, ...rest] = (await mapper.table("pool")).split(" ");
      assert.deepEqual([start, sectors, target, ...rest], ["0", "524288", "thin-pool", "128", "64", "0"]);
      await assertDevice(setup, metadata, line.split(" ")[3]);
      await assertDevice(setup, data, line.split(" ")[4]);
      assert.match(
        await mapper.status("pool"),
        /^0 524288 thin-pool 0 \d+\/4096 0\/4096 - rw discard_passdown queue_if_no_space - \d+$/,
      );
      assert.deepEqual((await mapper.deps("pool")).sort(), [line.split(" ")[3], line.split(" ")[4]].sort());
      const info = (await mapper.info("pool"))!;
      const { name, target: kind, open, openCount, suspended, deferredRemove, tableLine } = info;
      assert.deepEqual(
        { name, kind, open, openCount, suspended, deferredRemove, tableLine },
        {
          name: "pool", kind: "thin-pool", open: false, openCount: 0, suspended: false, deferredRemove: false,
          tableLine: await mapper.table("pool"),
        }, // prettier-ignore
      );
      assert.equal(await mapper.info("nobody"), undefined);
    });

    test("a thin device tells what it is", async () => {
      const device = await setup.thin("pool", 1, 256, "first");
      const [start, sectors, target, pool, id, ...rest] = (await mapper.table("first")).split(" ");
      assert.deepEqual([start, sectors, target, id, ...rest], ["0", "524288", "thin", "1"]);
      await assertDevice(setup, pool, "pool");
      assert.equal(await mapper.status("first"), "0 524288 thin 0 -");
      assert.deepEqual(
        (await mapper.deps("first")).map((path) => path.replace("/dev/mapper/", "")),
        ["pool"],
      );
      const info = (await mapper.info("first"))!;
      assert.equal(deviceNumber(device), `${info.major}:${info.minor}`);
      assert.deepEqual(
        [info.target, info.open, info.openCount, info.suspended, info.deferredRemove],
        ["thin", false, 0, false, false],
      );
      assert.equal(deviceSizeBytes(device), 256 << 20);
      assert.equal(queueOf(device, "logical_block_size"), "512");
      assert.equal(queueOf(device, "discard_granularity"), "65536");
      const pools = (await mapper.info("pool"))!;
      assert.deepEqual([pools.open, pools.openCount], [true, 1]);
      const names = (await mapper.list()).map(({ name }) => name);
      assert.deepEqual(names.filter((name) => ["pool", "first"].includes(name)).sort(), ["first", "pool"]);
    });

    test("another mapper finds the same devices", async () => {
      const other = setup.another();
      assert.deepEqual(await other.info("first"), await mapper.info("first"));
      assert.equal(await other.status("pool"), await mapper.status("pool"));
    });

    test("an open device says so", async () => {
      const device = await setup.blockDevice("first");
      assert.equal((await runProgram("mkfs.ext4", "-q", device, "16m")).status, 0);
      const point = setup.point("mounted");
      await mountAsync(device, point, "ext4");
      assert.equal((await mapper.info("first"))?.open, true);
      await unmountAsync(point);
      assert.equal((await mapper.info("first"))?.open, false);
    });

    test("a thin device grows while it is there, and keeps what it holds when it goes and comes", async () => {
      const device = await setup.blockDevice("first");
      writeAt(device, 32 << 20, Buffer.from("kept"));
      await mapper.reload("first", "0 1048576 thin pool 1");
      assert.equal(deviceSizeBytes(device), 512 << 20);
      assert.equal((await mapper.table("first")).split(" ")[1], "1048576");
      assert.equal((await mapper.info("first"))?.suspended, false);
      await mapper.remove("first");
      assert.equal(await mapper.info("first"), undefined);
      await mapper.create("renamed", "0 524288 thin pool 1");
      assert.equal(readAt(await setup.blockDevice("renamed"), 32 << 20, 4).toString(), "kept");
      await mapper.remove("renamed");
    });

    test("a pool's features are in its table and its status", async () => {
      await setup.create("featured", 64, "2 skip_block_zeroing error_if_no_space");
      assert.match(await mapper.table("featured"), / 128 64 2 skip_block_zeroing error_if_no_space$/);
      assert.match(await mapper.status("featured"), / rw discard_passdown error_if_no_space - /);
      await mapper.reload("featured", setup.table("featured", 64, "1 no_discard_passdown"));
      assert.match(await mapper.table("featured"), / 128 64 1 no_discard_passdown$/);
      assert.match(await mapper.status("featured"), / rw no_discard_passdown queue_if_no_space - /);
      await mapper.remove("featured");
      await mapper.create("featured", setup.table("featured", 64, "1 read_only"));
      assert.match(await mapper.status("featured"), / ro /);
      await assert.rejects(mapper.message("featured", "create_thin 1"), { code: "EOPNOTSUPP" });
      assert.deepEqual(await mapper.thinDevices("featured"), []);
      assert.deepEqual(await mapper.checkMetadata("featured"), []);
      await mapper.remove("featured");
    });

    test("without zeroing, what was written is there", async () => {
      await setup.create("quick", 64, "1 skip_block_zeroing");
      const device = await setup.thin("quick", 1, 16);
      writeAt(device, 8192, Buffer.alloc(4096, 9));
      assert.deepEqual(readAt(device, 8192, 4096), Buffer.alloc(4096, 9));
      await mapper.remove("quick-1");
      await mapper.remove("quick");
    });

    test("a thin device reads from its external origin what it does not have, and never changes it", async () => {
      const origin = setup.device("origin", 16);
      writeAt(origin, 0, Buffer.alloc(BLOCK, 5));
      writeAt(origin, 1 << 20, Buffer.alloc(BLOCK, 6));
      await mapper.message("pool", "create_thin 2");
      await mapper.create("external", `0 65536 thin pool 2 ${origin}`);
      const device = await setup.blockDevice("external");
      assert.deepEqual(
        (await mapper.deps("external")).map((path) => path.replace("/dev/mapper/", "")).sort(),
        [origin, "pool"].sort(),
      );
      const bytes = () => [100, (1 << 20) + 100, 20 << 20].map((position) => readAt(device, position)[0]);
      assert.deepEqual(bytes(), [5, 6, 0]);
      writeAt(device, 0, Buffer.alloc(BLOCK, 7));
      assert.deepEqual(bytes(), [7, 6, 0]);
      assert.equal(readAt(origin, 100)[0], 5);
      await mapper.remove("external");
      await mapper.message("pool", "delete 2");
    });

    test("nothing remains", async () => {
      await mapper.remove("pool");
      assert.equal(await mapper.info("pool"), undefined);
      await setup.nothingRemains();
    });
  });
}
