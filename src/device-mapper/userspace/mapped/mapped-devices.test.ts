import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deviceSizeBytes } from "../../../linux/block-device.ts";
import { deviceNumber } from "../../../linux/device-path.ts";
import { attachLoop } from "../../../linux/loop.ts";
import { mountAsync, unmountAsync } from "../../../linux/mount.ts";
import { until } from "../../../linux/testing/until.ts";
import { readAt, whetherHeld, writeAt, writeZeroes } from "../../compliance/device-mapper-setup.ts";
import { runProgram } from "../../compliance/run-program.ts";
import type { TableSegment } from "../../mapped-devices.ts";
import { cannotRun, TestPool } from "../test-pool.ts";
import { segmentsOf } from "./check-table.ts";
import { userspaceMappedDevices } from "./userspace-mapped-devices.ts";

describe("dmsetup's view of the devices in user space", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const deviceDir = join(pool.folder, "dev");
  const mapped = userspaceMappedDevices({ runDir: pool.runDir, deviceDir });
  const link = (name: string) => join(deviceDir, "mapper", name);
  const loops: string[] = [];
  let metadata: string;
  let data: string;

  /** As `dmsetup create`. */
  const make = async (name: string, table: string, options: { readOnly?: boolean } = {}) => {
    await mapped.create(name);
    await mapped.load(name, segmentsOf(table), options);
    await mapped.resume(name);
    return readlinkSync(link(name));
  };
  const swap = async (name: string, table: string) => {
    await mapped.load(name, segmentsOf(table));
    await mapped.resume(name);
  };
  const text = (segments: TableSegment[]) =>
    segments.map(({ start, length, target, parameters }) => `${start} ${length} ${target} ${parameters}`).join("\n");
  const disk = (name: string, mebibytes: number) => {
    const device = attachLoop(pool.file(name, mebibytes));
    loops.push(device);
    return device;
  };

  before(async () => {
    metadata = disk("metadata", 16);
    data = disk("data", 256);
    await make("pool", `0 262144 thin-pool ${metadata} ${data} 128 64`);
  });
  after(() => pool.destroy());

  test("a device comes step by step, and tells of each", async () => {
    await mapped.create("steps", { uuid: "MICA-1" });
    const empty = (await mapped.info("steps"))!;
    assert.deepEqual(
      [empty.uuid, empty.liveTable, empty.inactiveTable, empty.major, empty.suspended],
      ["MICA-1", false, false, 0, false],
    );
    await assert.rejects(mapped.create("steps"), { code: "EBUSY" });
    await assert.rejects(mapped.create("other", { uuid: "MICA-1" }), { code: "EBUSY" });
    await mapped.message("pool", 0, "create_thin 1");
    await mapped.load("steps", segmentsOf(`0 65536 thin ${link("pool")} 1`));
    const numbers = deviceNumber(readlinkSync(link("pool")));
    assert.equal(text(await mapped.table("steps", "inactive")), `0 65536 thin ${numbers} 1`);
    assert.deepEqual(await mapped.table("steps"), []);
    await mapped.clear("steps");
    assert.equal((await mapped.info("steps"))?.inactiveTable, false);
    await mapped.load("steps", segmentsOf(`0 65536 thin ${numbers} 1`));
    await mapped.resume("steps");
    const info = (await mapped.info("steps"))!;
    const device = readlinkSync(link("steps"));
    assert.equal(`${info.major}:${info.minor}`, deviceNumber(device));
    assert.deepEqual([info.liveTable, info.inactiveTable, info.targetCount, info.openCount], [true, false, 1, 0]);
    assert.equal(text(await mapped.status("steps")), "0 65536 thin 0 -");
    const [major, minor] = numbers.split(":").map(Number);
    assert.deepEqual(await mapped.deps("steps"), [{ major, minor }]);
    assert.equal((await mapped.info("pool"))?.openCount, 1);
    assert.deepEqual((await mapped.list()).map(({ name }) => name), ["pool", "steps"]); // prettier-ignore
    await assert.rejects(mapped.remove("pool"), { code: "EBUSY" });
    await mapped.remove("steps");
    assert.equal(existsSync(link("steps")), false);
    assert.equal(await mapped.info("steps"), undefined);
  });

  test("a pool is a block device to be read, and prints its table and status as the kernel's does", async () => {
    const device = readlinkSync(link("pool"));
    assert.equal(deviceSizeBytes(device), 262144 * 512);
    assert.equal(readAt(device, 4096, 512).length, 512);
    assert.throws(() => writeAt(device, 0, Buffer.alloc(4096)));
    const [meta, numbers] = [deviceNumber(metadata), deviceNumber(data)];
    assert.equal(text(await mapped.table("pool")), `0 262144 thin-pool ${meta} ${numbers} 128 64 0 `);
    assert.match(
      text(await mapped.status("pool")),
      /^0 262144 thin-pool 0 \d+\/4096 0\/2048 - rw discard_passdown .* $/,
    );
    assert.equal((await mapped.deps("pool")).length, 2);
    await assert.rejects(mapped.message("pool", 0, "shutdown"), { code: "EINVAL" });
  });

  test("tables that cannot be are refused when they are loaded", async () => {
    await mapped.create("bad");
    const refusals: [string, string][] = [
      ["0 8 thin nowhere 1", "ENODEV"],
      [`0 8 thin ${link("pool")} 99`, "ENODATA"],
      [`0 8 thin ${data} 1`, "EINVAL"],
      [`0 8 linear /nowhere 0`, "ENODEV"],
      [`0 8 linear 7:99999 0`, "ENXIO"],
      [`0 99999999 linear ${data} 0`, "EINVAL"],
      [`0 8 frobnicate`, "EINVAL"],
      [`0 262144 thin-pool ${metadata} ${data} 128 64`, "EBUSY"],
    ];
    for (const [table, code] of refusals) await assert.rejects(mapped.load("bad", segmentsOf(table)), { code }, table);
    await assert.rejects(mapped.load("nobody", segmentsOf("0 8 zero")), { code: "ENXIO" });
    await mapped.remove("bad");
  });

  test("thin, then error, then thin again, and zero beside it, while it is open and holds what it had", async () => {
    await mapped.message("pool", 0, "create_thin 2");
    const thin = `0 65536 thin ${link("pool")} 2`;
    const device = await make("turning", thin);
    writeAt(device, 65536, Buffer.from("kept"));
    const fd = openSync(device, "r");
    try {
      await swap("turning", "0 65536 error");
      assert.equal(text(await mapped.table("turning")), "0 65536 error ");
      assert.notEqual(
        (await runProgram("dd", `if=${device}`, "of=/dev/null", "bs=4k", "count=1", "iflag=direct")).status,
        0,
      );
      await assert.rejects(mapped.load("turning", segmentsOf(`0 8 linear ${data} 0`)), { code: "EINVAL" });
      await assert.rejects(mapped.remove("turning"), { code: "EBUSY" });
      await swap("turning", `${thin}\n65536 8 zero`);
      assert.equal(deviceSizeBytes(device), 65544 * 512);
      assert.equal((await mapped.info("turning"))?.openCount, 1);
    } finally {
      closeSync(fd);
    }
    assert.equal(readAt(device, 65536, 4).toString(), "kept");
    await mapped.remove("turning");
  });

  test("a suspended device holds its I/O until it is resumed, also with another table", async () => {
    await mapped.message("pool", 0, "create_thin 3");
    const device = await make("held", `0 65536 thin ${link("pool")} 3`);
    for (const options of [{}, { noFlush: true }, { noLockFs: true }]) {
      await mapped.suspend("held", options);
      const writing = writeZeroes(device, 1);
      assert.equal(await whetherHeld(writing), "held");
      assert.equal((await mapped.info("held"))?.suspended, true);
      await mapped.load("held", segmentsOf(`0 131072 thin ${link("pool")} 3`));
      await mapped.resume("held");
      assert.equal((await writing).status, 0);
    }
    assert.equal(deviceSizeBytes(device), 64 << 20);
    await mapped.remove("held");
  });

  test("names change under a mount, and a pool's under its volumes", async () => {
    await mapped.message("pool", 0, "create_thin 4");
    const device = await make("before", `0 65536 thin ${link("pool")} 4`);
    assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
    const point = pool.point("renamed");
    await mountAsync(device, point, "ext4");
    await mapped.rename("before", "after");
    await mapped.rename("pool", "pond");
    assert.deepEqual([existsSync(link("before")), readlinkSync(link("after"))], [false, device]);
    writeFileSync(join(point, "file"), "goes on");
    assert.equal((await mapped.info("after"))?.openCount, 1);
    assert.deepEqual((await mapped.list()).map(({ name }) => name), ["after", "pond"]); // prettier-ignore
    await mapped.message("pond", 0, "create_thin 5");
    await make("before", `0 65536 thin ${link("pond")} 5`); // the name is free again
    await pool.kill(pool.engine("pool"));
    assert.equal(text(await mapped.status("before")), "0 65536 thin 0 -");
    assert.equal(readFileSync(join(point, "file"), "utf8"), "goes on");
    assert.equal(await pool.mapper.table("after"), "0 65536 thin pond 4");
    await unmountAsync(point);
    await mapped.remove("before");
    await mapped.remove("after");
    await mapped.rename("pond", "pool");
    await mapped.setUuid("pool", "MICA-POOL");
    await assert.rejects(mapped.setUuid("pool", "MICA-2"), { code: "EINVAL" });
  });

  test("read-only devices refuse writes", async () => {
    await mapped.message("pool", 0, "create_thin 6");
    const device = await make("quiet", `0 65536 thin ${link("pool")} 6`, { readOnly: true });
    assert.equal((await runProgram("blockdev", "--getro", device)).output.trim(), "1");
    assert.throws(() => writeAt(device, 0, Buffer.alloc(4096)));
    assert.equal((await mapped.info("quiet"))?.readOnly, true);
    await swap("quiet", `0 65536 thin ${link("pool")} 6`);
    writeAt(device, 0, Buffer.alloc(4096, 1));
    await mapped.remove("quiet");
    const next = await make("quiet", `0 65536 thin ${link("pool")} 6`, { readOnly: true });
    await mapped.remove("quiet");
    assert.equal((await runProgram("blockdev", "--getro", next)).output.trim(), "0"); // for whoever has that one next
  });

  test("linear devices lie on others, which they keep in use; striped, zero and error ones tell of themselves", async () => {
    await mapped.message("pool", 0, "create_thin 7");
    const below = await make("below", `0 65536 thin ${link("pool")} 7`);
    const device = await make("above", `0 8192 linear ${link("below")} 1024\n8192 8 zero`);
    writeAt(device, 0, Buffer.from("through"));
    assert.equal(readAt(below, 1024 * 512, 7).toString(), "through");
    assert.equal(text(await mapped.table("above")), `0 8192 linear ${deviceNumber(below)} 1024\n8192 8 zero `);
    assert.deepEqual((await mapped.deps("above")).map(({ major, minor }) => `${major}:${minor}`), [deviceNumber(below)]); // prettier-ignore
    assert.ok((await mapped.info("below"))!.openCount > 0);
    await assert.rejects(mapped.remove("below"), { code: "EBUSY" });
    await mapped.suspend("above");
    const writing = writeZeroes(device, 1);
    assert.equal(await whetherHeld(writing), "held");
    await swap("above", `0 16384 linear ${link("below")} 1024`);
    assert.equal((await writing).status, 0);
    await mapped.rename("above", "higher");
    await mapped.remove("higher");
    await mapped.remove("below");
  });

  test("a removal can wait for the last user, and be called off", async () => {
    await mapped.message("pool", 0, "create_thin 8");
    const device = await make("later", `0 65536 thin ${link("pool")} 8`);
    assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
    const point = pool.point("later");
    await mountAsync(device, point, "ext4");
    await mapped.remove("later", { deferred: true });
    assert.equal((await mapped.info("later"))?.deferredRemove, true);
    await mapped.message("later", 0, "@cancel_deferred_remove");
    assert.equal((await mapped.info("later"))?.deferredRemove, false);
    await mapped.remove("later", { deferred: true });
    await unmountAsync(point);
    await until("it went", async () => (await mapped.info("later")) === undefined);
    await until("its link went", () => !existsSync(link("later")));
    await mapped.create("later"); // what was noted of it is in nobody's way
    await mapped.remove("later");
  });

  test("a name that is taken in the folder of links is refused, and left alone", async () => {
    writeFileSync(link("file"), "another's");
    symlinkSync("/etc/passwd", link("elsewhere"));
    for (const name of ["file", "elsewhere"]) await assert.rejects(mapped.create(name), { code: "EBUSY" });
    assert.equal(readFileSync(link("file"), "utf8"), "another's");
  });

  test("what the graph makes is there too, and can be changed", async () => {
    await pool.thin("pool", 9, 16, "graphs");
    assert.ok((await mapped.list()).some(({ name }) => name === "graphs"));
    assert.equal((await mapped.info("graphs"))?.uuid, "");
    await mapped.makeNodes();
    assert.ok(existsSync(link("graphs")));
    await mapped.rename("graphs", "mine");
    assert.equal(await pool.mapper.info("graphs"), undefined);
    await pool.mapper.remove("mine");
    assert.deepEqual([existsSync(link("mine")), await mapped.info("mine")], [false, undefined]);
  });

  test("tables are swapped under a load that verifies what it wrote, engines die, and nothing is lost", async () => {
    await mapped.message("pool", 0, "create_thin 10");
    const thin = (sectors: number) => `0 ${sectors} thin ${link("pool")} 10`;
    const device = await make("loaded", thin(131072));
    const load = runProgram(
      "fio", "--name=verify", `--filename=${device}`, "--size=48m", "--rw=randwrite", "--bsrange=4k-64k", "--ioengine=libaio",
      "--iodepth=8", "--direct=1", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--time_based", "--runtime=4",
      `--aux-path=${pool.folder}`,
    ); // prettier-ignore
    for (let turn = 1; turn <= 8; turn++) {
      await sleep(300);
      const engine = pool.engine("pool");
      const killing = turn % 4 === 0 ? sleep(2).then(() => pool.kill(engine)) : undefined;
      await swap("loaded", `${thin(131072 + turn * 128)}\n${131072 + turn * 128} 8 error`);
      await killing;
    }
    const { status, output } = await load;
    assert.equal(status, 0, output);
    await mapped.remove("loaded");
    assert.deepEqual(await pool.mapper.checkMetadata("pool"), []);
  });

  test("nothing remains", async () => {
    await mapped.remove("pool");
    assert.deepEqual(await mapped.list(), []);
    assert.deepEqual(pool.remains().filter((line) => !loops.some((loop) => line.includes(`${loop} `))), []); // prettier-ignore
  });
});
