import assert from "node:assert/strict";
import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { loopInfo } from "../../linux/loop.ts";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { deviceSizeBytes } from "../../linux/block-device.ts";
import { runProgram } from "./run-program.ts";
import { cannotRun, TestPool } from "./test-pool.ts";

const DEVICES = 200;

describe("the userspace device mapper", { skip: cannotRun }, () => {
  const pool = new TestPool();
  const { mapper } = pool;
  before(() => pool.create("pool", 1024));
  after(() => pool.destroy());

  test("a pool and a thin device tell what they are", async () => {
    const device = await pool.thin("pool", 1, 256, "first");
    const metadata = join(pool.folder, "pool.metadata");
    const data = join(pool.folder, "pool.data");
    assert.equal(await mapper.table("pool"), `0 2097152 thin-pool ${metadata} ${data} 128 64 0`);
    assert.match(
      await mapper.status("pool"),
      /^0 2097152 thin-pool 0 \d+\/4096 0\/16384 - rw discard_passdown queue_if_no_space - \d+$/,
    );
    assert.equal(await mapper.table("first"), "0 524288 thin pool 1");
    assert.equal(await mapper.status("first"), "0 524288 thin 0 -");
    const info = await mapper.info("first");
    assert.deepEqual({ ...info, blockDevice: "", major: 0, minor: 0 }, {
      name: "first", target: "thin", blockDevice: "", major: 0, minor: 0, open: false, openCount: 0, suspended: false,
      deferredRemove: false, eventNumber: 0, uuid: undefined, tableLine: "0 524288 thin pool 1",
    }); // prettier-ignore
    assert.equal(loopInfo(device)?.directIo, true);
    assert.equal(readFileSync(`/sys/block/${device.slice(5)}/queue/logical_block_size`, "utf8").trim(), "512");
    assert.equal(readFileSync(`/sys/block/${device.slice(5)}/queue/discard_granularity`, "utf8").trim(), "65536");
    assert.deepEqual(
      (await mapper.list()).map(({ name }) => name),
      ["pool", "first"],
    );
    assert.equal(await mapper.info("nobody"), undefined);
  });

  test("what cannot be is refused with a code and a reason", async () => {
    await assert.rejects(mapper.create("pool", pool.table("pool", 1024)), { code: "EEXIST" });
    await assert.rejects(mapper.create("first", "0 2048 thin pool 1"), { code: "EEXIST" });
    await assert.rejects(mapper.create("again", "0 2048 thin pool 1"), { code: "EBUSY" });
    await assert.rejects(mapper.create("no-device", "0 2048 thin pool 77"), { code: "ENODATA" });
    await assert.rejects(mapper.create("no-pool", "0 2048 thin nowhere 1"), { code: "ENXIO" });
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
    for (const name of ["../up", "a b", "control", "", "x.lock"])
      await assert.rejects(mapper.create(name, "0 2048 thin pool 1"), { code: "EINVAL" });
    await assert.rejects(mapper.message("pool", "create_thin 1"), { code: "EEXIST" });
    await assert.rejects(mapper.message("pool", "create_snap 9 8"), { code: "ENODATA" });
    await assert.rejects(mapper.message("pool", "delete 1"), { code: "EBUSY" });
    await assert.rejects(mapper.message("pool", "frobnicate"), { code: "EINVAL" });
    for (const name of ["again", "bad", "no-device"]) assert.equal(await mapper.info(name), undefined);
    await assert.rejects(mapper.remove("nobody"), { code: "ENXIO" });
    await assert.rejects(mapper.remove("pool"), { code: "EBUSY", message: /first/ });
  });

  test("a pool that cannot start says why, and leaves nothing", async () => {
    const good = pool.table("failing", 64).split(" ");
    const tables: [string, RegExp][] = [
      [good.with(4, "/nonexistent/data").join(" "), /nonexistent/],
      [good.with(5, "100").join(" "), /block size/],
      [good.with(1, "99999999").join(" "), /data/],
      [good.with(3, pool.file("broken", 16)).join(" "), /superblock|metadata/],
    ];
    writeFileSync(join(pool.folder, "broken"), Buffer.alloc(8192, 0x5a), { flag: "r+" });
    for (const [table, why] of tables)
      await assert.rejects(mapper.create("failing", table), { name: "DeviceMapperError", message: why });
    assert.equal(await mapper.info("failing"), undefined);
    assert.deepEqual(
      readdirSync(pool.runDir).filter((name) => name === "failing"),
      [],
    );
  });

  for (const [fs, mkfs, check] of [
    ["ext4", ["mkfs.ext4", "-q"], ["e2fsck", "-fn"]],
    ["xfs", ["mkfs.xfs", "-q", "-f"], ["xfs_repair", "-n"]],
  ] as const) {
    test(`${fs} lives on a thin device, and fstrim gives space back to the host`, async () => {
      const id = fs === "ext4" ? 20 : 21;
      const device = await pool.thin("pool", id, 512, `with-${fs}`);
      assert.equal((await runProgram(mkfs[0], ...mkfs.slice(1), device)).status, 0);
      const point = pool.point(`${fs}-mount`);
      await mountAsync(device, point, fs);
      writeFileSync(join(point, "large"), Buffer.alloc(64 << 20, 7));
      writeFileSync(join(point, "small"), "stays");
      assert.equal((await runProgram("sync", "-f", point)).status, 0);
      const full = statSync(join(pool.folder, "pool.data")).blocks;
      rmSync(join(point, "large"));
      assert.equal((await runProgram("sync", "-f", point)).status, 0);
      const shrunk = () => statSync(join(pool.folder, "pool.data")).blocks < full - (32 << 11);
      // XFS frees a removed file's extents in the background: an fstrim may come before that.
      for (let attempt = 0; attempt < 20 && !shrunk(); attempt++) {
        assert.equal((await runProgram("fstrim", point)).status, 0);
        assert.equal((await runProgram("sync", "-f", point)).status, 0);
        await mapper.suspend(`with-${fs}`); // commits: only then are freed blocks passed down
        await mapper.resume(`with-${fs}`);
        await sleep(50);
      }
      assert.ok(shrunk(), "the host's file shrank");
      assert.equal((await mapper.info(`with-${fs}`))?.open, true);
      await assert.rejects(mapper.remove(`with-${fs}`), { code: "EBUSY" });
      assert.equal(readFileSync(join(point, "small"), "utf8"), "stays");
      await unmountAsync(point);
      const checked = await runProgram(check[0], ...check.slice(1), device);
      assert.equal(checked.status, 0, checked.output);
      await mapper.remove(`with-${fs}`);
      await mapper.message("pool", `delete ${id}`);
    });
  }

  test("a device that is merely open is busy too, and stays attached", async () => {
    const device = (await mapper.info("first"))!.blockDevice!;
    const fd = openSync(device, "r");
    try {
      await assert.rejects(mapper.remove("first"), { code: "EBUSY" });
    } finally {
      closeSync(fd);
    }
    assert.equal((await mapper.info("first"))?.blockDevice, device);
    assert.equal(readFileSync(device).length, 256 << 20);
  });

  test("deferred removal waits for the last user; cancelled, it does not happen", async () => {
    const device = await pool.thin("pool", 30, 64, "later");
    assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
    const point = pool.point("later-mount");
    await mountAsync(device, point, "ext4");
    await mapper.remove("later", { deferred: true });
    assert.equal((await mapper.info("later"))?.deferredRemove, true);
    await mapper.cancelDeferredRemoval("later");
    await unmountAsync(point);
    assert.equal((await mapper.info("later"))?.deferredRemove, false);
    await mountAsync(device, point, "ext4");
    await mapper.remove("later", { deferred: true });
    writeFileSync(join(point, "still"), "usable");
    await unmountAsync(point);
    for (let wait = 0; (await mapper.info("later")) !== undefined && wait < 500; wait++) await sleep(10);
    assert.equal(await mapper.info("later"), undefined);
    await mapper.message("pool", "delete 30");
  });

  test("a suspended device holds its I/O until it is resumed", async () => {
    const device = (await mapper.info("first"))!.blockDevice!;
    await mapper.suspend("first");
    assert.equal((await mapper.info("first"))?.suspended, true);
    const writing = runProgram(
      "dd",
      "if=/dev/zero",
      `of=${device}`,
      "bs=64k",
      "count=4",
      "oflag=direct",
      "conv=notrunc",
    );
    assert.equal(await Promise.race([writing.then(() => "done"), sleep(200, "held")]), "held");
    await pool.kill(pool.engine("pool")); // it stays suspended over that
    assert.equal((await mapper.info("first"))?.suspended, true);
    assert.equal(await Promise.race([writing.then(() => "done"), sleep(200, "held")]), "held");
    await mapper.resume("first");
    assert.equal((await writing).status, 0);
  });

  test("snapshots share until they are written", async () => {
    const device = (await mapper.info("first"))!.blockDevice!;
    writeFileSync(device, Buffer.alloc(1 << 20, 1), { flag: "r+" });
    await mapper.suspend("first");
    await mapper.message("pool", "create_snap 40 1");
    await mapper.resume("first");
    await mapper.create("snap", "0 524288 thin pool 40");
    const snap = (await mapper.info("snap"))!.blockDevice!;
    assert.equal(readFileSync(snap)[1000], 1);
    assert.deepEqual((await mapper.locate("pool", 1, 0)).owners.sort(), [1, 40]);
    const fd = openSync(snap, "r+");
    writeSync(fd, Buffer.alloc(65536, 2));
    closeSync(fd);
    await mapper.suspend("snap");
    await mapper.resume("snap");
    assert.deepEqual((await mapper.locate("pool", 1, 0)).owners, [1]);
    assert.equal((await mapper.locate("pool", 1, 5000)).dataBlock, undefined);
    assert.equal(readFileSync(device)[0], 1);
    const { devices, blockSizeSectors } = await mapper.usage("pool");
    assert.equal(blockSizeSectors, 128);
    assert.equal(devices.find(({ id }) => id === 40)?.exclusiveBlocks, 1);
    assert.deepEqual(await mapper.checkMetadata("pool"), []);
    await mapper.remove("snap");
  });

  test("a full pool holds writes, and goes on when it has grown", async () => {
    await pool.create("small", 16);
    const device = await pool.thin("small", 1, 64, "filler");
    const writing = runProgram(
      "dd",
      "if=/dev/zero",
      `of=${device}`,
      "bs=1M",
      "count=32",
      "oflag=direct",
      "conv=notrunc",
    );
    assert.equal(await Promise.race([writing.then(() => "done"), sleep(1500, "held")]), "held");
    assert.match(await mapper.status("small"), / out_of_data_space /);
    await mapper.reload("small", pool.table("small", 64));
    assert.equal((await writing).status, 0);
    assert.match(await mapper.status("small"), /^0 131072 .* rw /);
    await mapper.reload("filler", "0 262144 thin small 1");
    assert.equal(deviceSizeBytes(device), 128 << 20);
    await mapper.remove("filler");
    await mapper.remove("small");
    truncateSync(join(pool.folder, "small.data"), 0);
  });

  test(`${DEVICES} devices are active at once`, async () => {
    for (let id = 1000; id < 1000 + DEVICES; id++) {
      await mapper.message("pool", `create_snap ${id} 1`);
      await mapper.create(`many-${id}`, `0 524288 thin pool ${id}`);
    }
    const many = (await mapper.list()).filter(({ name }) => name.startsWith("many-"));
    assert.equal(new Set(many.map(({ blockDevice }) => blockDevice)).size, DEVICES);
    for (const { blockDevice } of many) {
      const fd = openSync(blockDevice!, "r+");
      writeSync(fd, blockDevice!);
      closeSync(fd);
    }
    for (const { name, blockDevice } of many) {
      const fd = openSync(blockDevice!, "r");
      closeSync(fd);
      await mapper.remove(name);
    }
  });

  test("nothing remains", async () => {
    await mapper.remove("first");
    await mapper.remove("pool");
    assert.deepEqual(await mapper.list(), []);
    assert.deepEqual(pool.remains(), []);
    assert.equal((await runProgram("thin_check", join(pool.folder, "pool.metadata"))).status, 0);
  });
});
