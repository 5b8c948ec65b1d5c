import "./testing/with-udev.ts";
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { DeviceMapper } from "../device-mapper.ts";
import { until } from "../../linux/testing/until.ts";
import { runProgram } from "../compliance/run-program.ts";
import { cannotRun, KernelTestPool } from "./test-pool.ts";

const UDEVD = "/lib/systemd/systemd-udevd";
const skip =
  cannotRun ||
  // A machine's own udev is not to be stopped and started.
  (process.env["MICA_KERNEL"] === undefined && "is for a kernel of the tests' own") ||
  (!existsSync(UDEVD) && "udev is not installed");

describe("with udev, nodes are udev's, and are waited for", { skip }, () => {
  let udevd: ChildProcess;
  let setup: KernelTestPool;
  let mapper: DeviceMapper;
  before(async () => {
    udevd = spawn(UDEVD, ["--resolve-names=never"], { stdio: "ignore" });
    await until("udev runs", () => existsSync("/run/udev/control"));
    setup = new KernelTestPool();
    ({ mapper } = setup);
  });
  after(async () => {
    await setup.destroy();
    udevd.kill();
    await once(udevd, "exit");
    rmSync("/run/udev", { recursive: true, force: true });
  });

  const isUdevs = (name: string) => lstatSync(`/dev/mapper/${name}`).isSymbolicLink();

  test("it is in sync", () => {
    assert.equal(mapper.udevSyncSupported, true);
  });

  test("a device's node is there when the device is, made by udev, and goes with it", async () => {
    await setup.create("pool", 64);
    assert.ok(isUdevs("pool"));
    for (let id = 1; id <= 2; id++) {
      const device = await setup.thin("pool", id, 16);
      assert.ok(isUdevs(`pool-${id}`), device);
      assert.equal((await runProgram("dd", `if=${device}`, "of=/dev/null", "bs=4k", "count=1")).status, 0);
    }
    for (let id = 1; id <= 2; id++) {
      await mapper.remove(`pool-${id}`);
      assert.equal(existsSync(`/dev/mapper/pool-${id}`), false);
    }
  });

  test("calls that come while one waits for udev wait for their turn", async () => {
    const names = Array.from({ length: 4 }, (_, index) => `turn-${index}`);
    await Promise.all(
      names.map(async (name, index) => {
        await mapper.message("pool", `create_thin ${100 + index}`);
        await mapper.create(name, `0 32768 thin pool ${100 + index}`);
        await mapper.suspend(name);
        await mapper.resume(name);
        assert.ok(isUdevs(name));
      }),
    );
    await Promise.all(names.map((name) => mapper.remove(name)));
    assert.deepEqual(
      (await mapper.list()).map(({ name }) => name),
      ["pool"],
    );
  });

  test("what udev is not to look at, it does not: other programs find no links to a container's device", async () => {
    const device = await setup.thin("pool", 20, 64, "quiet");
    assert.equal((await runProgram("mkfs.ext4", "-q", "-L", "container", device)).status, 0);
    await mapper.suspend("quiet");
    await mapper.resume("quiet");
    assert.equal(existsSync("/dev/disk/by-label/container"), false);
    assert.equal((await mapper.info("quiet"))?.open, false);
    await mapper.remove("quiet");
  });

  test("no cookie is left behind, by what was refused neither", async () => {
    await setup.thin("pool", 30, 16, "last");
    await assert.rejects(mapper.remove("pool"), { code: "EBUSY" });
    await assert.rejects(mapper.remove("nobody"), { code: "ENXIO" });
    await assert.rejects(mapper.create("none", "0 32768 thin pool 77"), { code: "ENODATA" });
    await mapper.remove("last");
    await mapper.remove("pool");
    const { output } = await runProgram("dmsetup", "udevcookies");
    assert.doesNotMatch(output, /0xd4d/);
    await setup.nothingRemains();
  });
});
