import assert from "node:assert/strict";
import { readFileSync, statSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deviceNumber } from "../../linux/device-path.ts";
import { mountAsync, unmountAsync } from "../../linux/mount.ts";
import { detachLoop } from "../../linux/loop.ts";
import { discard, whetherHeld, writeAt } from "../compliance/device-mapper-setup.ts";
import { runProgram } from "../compliance/run-program.ts";
import { blockAt, TestMapped } from "./test-mapped.ts";
import { cannotRun } from "./test-pool.ts";

const MEBIBYTE = 1 << 20;
const sectors = (mebibytes: number) => mebibytes * 2048;

/** fio's verification of what it wrote. */
function verify(setup: TestMapped, device: string, ...more: string[]) {
  return runProgram(
    "fio", "--name=verify", `--filename=${device}`, "--rw=randwrite", "--bsrange=4k-256k", "--ioengine=libaio", "--iodepth=8", "--direct=1",
    "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--fsync=100", `--aux-path=${setup.folder}`, ...more,
  ); // prettier-ignore
}

function passed({ status, output }: { status: number | null; output: string }): void {
  assert.equal(status, 0, output);
  assert.doesNotMatch(output, /verify: bad|error=/i);
}

/** How many flushes a block device has had (Documentation/block/stat.rst). */
function flushesOf(device: string): number {
  return Number(
    readFileSync(`/sys/block/${basename(device)}/stat`, "latin1")
      .trim()
      .split(/\s+/)[15],
  );
}

describe("devices of linear, striped, zero and error segments", { skip: cannotRun }, () => {
  const setup = new TestMapped();
  const one = setup.disk("one", 64);
  const two = setup.disk("two", 64);
  after(() => setup.destroy());

  test("what is written lies where the table says", async () => {
    const table = [
      `0 ${sectors(1)} linear ${one} ${sectors(3)}`,
      `${sectors(1)} ${sectors(1)} striped 2 8 ${one} 0 ${two} ${sectors(5)}`,
      `${sectors(2)} ${sectors(1)} zero`,
      `${sectors(3)} ${sectors(1)} error`,
    ].join("\n");
    const device = await setup.start("mixed", table);
    assert.equal((await setup.info("mixed")).table, table);
    writeAt(device, 0, Buffer.alloc(MEBIBYTE, 1));
    const stripes = Buffer.alloc(MEBIBYTE);
    for (let chunk = 0; chunk < 256; chunk++) stripes.fill(2 + (chunk % 2), chunk * 4096, (chunk + 1) * 4096);
    writeAt(device, MEBIBYTE, stripes);
    writeAt(device, 2 * MEBIBYTE, Buffer.alloc(4096, 9));
    assert.throws(() => writeAt(device, 3 * MEBIBYTE, Buffer.alloc(4096, 9)), { code: "EIO" });
    const [first, second] = ["one", "two"].map((name) => readFileSync(join(setup.folder, name)));
    const is = (bytes: Buffer, mebibytes: number, length: number, value: number) =>
      bytes.subarray(mebibytes * MEBIBYTE, mebibytes * MEBIBYTE + length).equals(Buffer.alloc(length, value));
    assert.ok(is(first, 3, MEBIBYTE, 1));
    assert.ok(is(first, 0, MEBIBYTE / 2, 2));
    assert.ok(is(second, 5, MEBIBYTE / 2, 3));
    assert.equal(blockAt(device, 2 * MEBIBYTE), 0);
    assert.equal(blockAt(device, 3 * MEBIBYTE), "EIO");
    assert.equal(blockAt(device, 3 * MEBIBYTE - 4096), 0);
    await setup.end("mixed", device);
  });

  test("tables change and engines die under a verifying load, and nothing of it is noticed", async () => {
    const whole = `0 ${sectors(48)} linear ${one} 0`;
    const pieces = Array.from({ length: 6 }, (_, index) => {
      const start = sectors(8) * index;
      return `${start} ${sectors(8)} linear ${one} ${start}`;
    }).join("\n");
    const device = await setup.start("swapped", whole);
    const load = verify(setup, device, "--size=48m", "--time_based", "--runtime=3");
    for (let round = 0; round < 9; round++) {
      await sleep(150 + 200 * Math.random());
      if (round % 3 === 2) await setup.killEngine("swapped");
      else {
        await setup.send("swapped", round % 2 === 0 ? "suspend" : "suspend noflush");
        await setup.send("swapped", `reload ${round % 2 === 0 ? pieces : whole}`);
        await setup.send("swapped", "resume");
      }
    }
    passed(await load);
    await setup.end("swapped", device);
  });

  test("a suspended device holds its I/O, also over an engine's death, and does it by the table that is then in force", async () => {
    const device = await setup.start("held", `0 ${sectors(4)} linear ${one} 0`);
    writeAt(device, 0, Buffer.alloc(4096, 1));
    await setup.send("held", "suspend");
    const write = runProgram(
      "dd", "if=/dev/zero", `of=${device}`, "bs=4096", "count=1", "oflag=direct", "conv=notrunc", "status=none",
    ); // prettier-ignore
    assert.equal(await whetherHeld(write), "held");
    await setup.killEngine("held");
    assert.equal((await setup.info("held")).suspended, true);
    assert.equal(await whetherHeld(write), "held");
    writeAt(two, sectors(8) * 512, Buffer.alloc(4096, 2));
    await setup.send("held", `reload 0 ${sectors(4)} linear ${two} ${sectors(8)}`);
    assert.equal(await whetherHeld(write), "held");
    await setup.send("held", "resume");
    assert.equal((await write).status, 0);
    assert.equal(blockAt(one, 0), 1);
    assert.equal(blockAt(two, sectors(8) * 512), 0);
    await setup.end("held", device);
  });

  test("a flush reaches every device below that was written to", async () => {
    const device = await setup.start("flushed", `0 256 striped 2 128 ${one} 0 ${two} 0`);
    await setup.send("flushed", "flush"); // an engine that begins does not know what was written before
    const before = [one, two].map(flushesOf);
    writeAt(device, 0, Buffer.alloc(131072, 1));
    const after = [one, two].map(flushesOf);
    assert.ok(after.every((count, index) => count > before[index]), `${before.join()} ${after.join()}`); // prettier-ignore
    await setup.end("flushed", device);
  });

  test("discards and zeroes reach the files at the bottom", async () => {
    const blocks = (name: string) => statSync(join(setup.folder, name)).blocks;
    const file = setup.file("three", 8);
    const table = `0 ${sectors(8)} striped 2 128 ${one} ${sectors(16)} ${two} ${sectors(16)}\n${sectors(8)} ${sectors(8)} linear ${file} 0`;
    const device = await setup.start("trimmed", table);
    for (const bottom of [one, two]) discard(bottom, 0, 64 * MEBIBYTE);
    writeAt(device, 0, Buffer.alloc(16 * MEBIBYTE, 5));
    const before = ["one", "two", "three"].map(blocks);
    discard(device, MEBIBYTE, 14 * MEBIBYTE);
    const freed = ["one", "two", "three"].map((name, index) => before[index] - blocks(name));
    assert.deepEqual(freed, [7 * 1024, 7 * 1024, 14 * 1024]);
    assert.deepEqual([0, 1, 8, 15].map((place) => blockAt(device, place * MEBIBYTE)), [5, 0, 0, 5]); // prettier-ignore
    assert.equal((await runProgram("blkdiscard", "--zeroout", "--length=4096", device)).status, 0);
    assert.deepEqual([blockAt(device, 0), blockAt(device, 4096)], [0, 5]);
    await setup.end("trimmed", device);
  });

  test("a device that has failed below, or is too small, says so", async () => {
    const bad = await setup.start("bad", `0 16 linear ${one} 0\n16 16 error`);
    const device = await setup.start("above", `0 32 linear ${bad} 0`);
    writeAt(device, 0, Buffer.alloc(8192, 1));
    assert.throws(() => writeAt(device, 8192, Buffer.alloc(4096, 1)), { code: "EIO" });
    assert.equal(blockAt(device, 8192), "EIO");
    assert.equal(blockAt(device, 4096), 1);
    await assert.rejects(setup.send("above", `reload 0 64 linear ${bad} 0`), {
      code: "EINVAL",
      message: /has 32 sectors/,
    });
    await assert.rejects(setup.send("above", `reload 0 64 linear /dev/nothing 0`), { code: "ENOENT" });
    await assert.rejects(setup.start("none", `0 8 linear 7:99999 0`), { code: "ENODEV" });
    assert.equal(blockAt(device, 4096), 1, "the table in force stays");
    await setup.send("above", "reload 0 8 error"); // as `dmsetup wipe_table` has it
    assert.equal(blockAt(device, 0), "EIO");
    await setup.end("above", device);
    await setup.end("bad", bad);
  });

  test("read-only devices are never written to, and stand on what cannot be", async () => {
    const disk = setup.disk("fixed", 1, { readOnly: true });
    const writable = await setup.start("writable", `0 2048 linear ${disk} 0`); // as in the kernel
    assert.throws(() => writeAt(writable, 0, Buffer.alloc(512)), { code: "EIO" });
    await setup.end("writable", writable);
    const device = await setup.start("fixed", `0 2048 linear ${disk} 0`, { readOnly: true });
    assert.throws(() => writeAt(device, 0, Buffer.alloc(512)), { code: "EPERM" });
    assert.throws(() => writeAt(setup.fileOf("fixed"), 0, Buffer.alloc(512)), { code: "EROFS" });
    assert.equal(blockAt(device, 0), 0);
    await setup.killEngine("fixed");
    assert.equal((await setup.info("fixed")).readOnly, true);
    await setup.end("fixed", device);
    detachLoop(disk);
  });

  test("sectors of 4096 bytes are asked of those above", async () => {
    const disk = setup.disk("large", 4, { blockSizeBytes: 4096 });
    await assert.rejects(setup.start("odd", `0 8 linear ${disk} 4`), {
      code: "EINVAL",
      message: /blocks have 8 sectors/,
    });
    await assert.rejects(setup.start("odd", `0 4 zero\n4 8 linear ${disk} 0`), { code: "EINVAL" });
    const device = await setup.start("even", `0 8 zero\n8 4096 linear ${disk} 8`);
    assert.equal((await runProgram("blockdev", "--getss", device)).output, "4096\n");
    passed(await verify(setup, device, "--offset=4096", "--size=2m"));
    await setup.end("even", device);
    detachLoop(disk);
  });

  test("when supervisor and engine are dead, the next who comes starts them again", async () => {
    const device = await setup.start("reborn", `0 2048 linear ${one} 0`);
    writeAt(device, 0, Buffer.alloc(4096, 3));
    await setup.send("reborn", "suspend");
    const processes = setup.processesOf("reborn");
    const engine = setup.engine(processes);
    await setup.kill(setup.supervisor(processes));
    await setup.kill(engine);
    const info = await setup.info("reborn");
    assert.deepEqual([info.sizeSectors, info.suspended], [2048, true]);
    await setup.send("reborn", "resume");
    assert.equal(blockAt(one, 0), 3);
    await setup.send("reborn", "shutdown");
  });

  test("a table that leads back to its own device is refused", async () => {
    const device = await setup.start("self", `0 ${sectors(32)} linear ${one} 0`);
    const refused = (path: string, code = "ELOOP") =>
      assert.rejects(setup.send("self", `reload 0 8 linear ${path} 0`), { code, message: /stands on the very device/ });
    await refused(device);
    await refused(deviceNumber(device));
    await refused(setup.fileOf("self"));
    const link = join(setup.folder, "link");
    symlinkSync(join(setup.fileOf("self"), ".."), link);
    await refused(join(link, "self"));
    const above = await setup.start("above-self", `0 8 zero\n8 8 linear ${device} 0`);
    await refused(above);
    await setup.end("above-self", above);
    assert.equal((await runProgram("mkfs.ext4", "-q", device)).status, 0);
    const point = setup.point("self-mount");
    await mountAsync(device, point, "ext4");
    const file = join(point, "file");
    assert.equal((await runProgram("truncate", "--size=8M", file)).status, 0);
    await refused(file);
    const loop = setup.disk("self-mount/file", 8);
    await refused(loop);
    const pool = `0 ${sectors(8)} thin-pool ${setup.file("self.metadata", 4)} ${loop} 128 0`;
    await setup.mapper.create("on-self", pool);
    await refused(await setup.thin("on-self", 1, 8, "thin-on-self"));
    await setup.removeAll("on-self", "thin-on-self");
    detachLoop(loop);
    await unmountAsync(point);
    await setup.end("self", device);
  });

  test("nothing remains", async () => {
    for (const disk of [one, two]) detachLoop(disk);
    await setup.nothingRemains();
  });
});
