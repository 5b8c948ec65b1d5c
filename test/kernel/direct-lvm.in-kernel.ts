/** dm.directlvm_device with the real LVM, on loop devices. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, beforeEach, afterEach, suite, test } from "node:test";
import { openDeviceSet, shutdownGraph, type DeviceSet } from "../../src/graph/graph.ts";
import { attachLoop, detachLoop } from "../../src/linux/loop.ts";

const noUdev = "dm.override_udev_sync_check=true";
const scratch = process.env["SCRATCH"] ?? "";
const root = join(scratch, "graph");
const profile = "/etc/lvm/profile/docker-thinpool.profile";

function run(program: string, ...words: string[]): string {
  return execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

function startOf(device: string): string {
  const bytes = Buffer.alloc(65536);
  const fd = openSync(device, "r");
  readSync(fd, bytes);
  closeSync(fd);
  return createHash("sha256").update(bytes).digest("hex");
}

suite("direct-lvm", () => {
  let device = "";
  let logged: string[] = [];

  const options = (...more: string[]) => [noUdev, "dm.basesize=128M", `dm.directlvm_device=${device}`, ...more];

  function open(storageOptions: string[] = []): Promise<DeviceSet> {
    return openDeviceSet({ root, storageOptions, log: (level, message) => logged.push(`${level}: ${message}`) });
  }

  /** What LVM knows, and the device's first bytes: what a refusal must leave alone. */
  function state(): string[] {
    return [
      run("pvs", "--noheadings", "-o", "pv_name,vg_name"),
      run("vgs", "--noheadings", "-o", "vg_name,vg_tags,lv_count"),
      startOf(device),
      String(existsSync(join(root, "setup-config.json"))),
    ];
  }

  async function assertRefused(storageOptions: string[], expected: { code: string; message: RegExp }): Promise<void> {
    const unchanged = state();
    await assert.rejects(open(storageOptions), expected);
    assert.deepEqual(state(), unchanged);
  }

  before(() => {
    // No udev runs here.
    const local = [
      "activation { udev_sync = 0 udev_rules = 0 verify_udev_operations = 1 monitoring = 0 }",
      "devices { obtain_device_list_from_udev = 0 }",
      "global { use_lvmlockd = 0 use_lvmpolld = 0 }",
    ];
    writeFileSync("/etc/lvm/lvmlocal.conf", `${local.join("\n")}\n`);
  });

  beforeEach(() => {
    const file = join(scratch, "lvm-disk");
    rmSync(file, { force: true });
    writeFileSync(file, "");
    truncateSync(file, 2 ** 30);
    device = attachLoop(file);
    logged = [];
  });

  afterEach(async () => {
    await shutdownGraph({ root });
    if (run("vgs", "--noheadings", "-o", "vg_name").includes("docker")) run("vgremove", "-f", "-y", "docker");
    detachLoop(device);
    rmSync(root, { recursive: true, force: true });
    rmSync(profile, { force: true });
  });

  test("sets LVM up as Docker did, and the graph lives on its pool", async () => {
    const set = await open(options("dm.thinp_autoextend_threshold=70", "dm.thinp_autoextend_percent=30"));
    const { poolName } = set;
    assert.equal(poolName, "docker-thinpool");
    assert.match(run("pvs", "--noheadings", "-o", "pv_name,vg_name"), new RegExp(`${device} +docker`));
    const volume = ["--noheadings", "--separator", "|", "-o", "chunk_size,zero,lv_profile,vg_tags", "docker/thinpool"];
    assert.equal(run("lvs", ...volume), "512.00k||docker-thinpool|");
    assert.match(readFileSync(profile, "utf8"), /threshold=70\n\tthin_pool_autoextend_percent=30\n/);
    assert.deepEqual(JSON.parse(readFileSync(join(root, "setup-config.json"), "utf8")), {
      Device: device,
      ThinpPercent: 95,
      ThinpMetaPercent: 1,
      AutoExtendPercent: 30,
      AutoExtendThreshold: 70,
    });
    await set.create("a");
    writeFileSync(join(await set.get("a"), "x"), "x");
    await set.put("a");
    const status = Object.fromEntries(await set.status());
    assert.equal(status["Pool Name"], "docker-thinpool");
    assert.equal(status["Pool Blocksize"], "524.3kB");
    assert.equal(status["Data file"], undefined);
    await assert.rejects(set.growPool({}), { code: "ENOTSUP", message: /lvextend/ });
    await set.shutdown();
    assert.match(run("dmsetup", "ls", "--target", "thin-pool"), /^docker-thinpool/);

    // As after a reboot where nothing activates LVM's volumes.
    run("lvchange", "-an", "docker/thinpool");
    const again = await open();
    assert.equal(readFileSync(join(await again.get("a"), "x"), "utf8"), "x");
    await again.put("a");
    await again.create("b", "a");
    assert.deepEqual(await again.check(), []);
    await again.close();

    run("lvextend", "-L", "+16M", "docker/thinpool");
    const grown = await open();
    assert.deepEqual(await grown.check(), []);
    await grown.close();
    await assertRefused(options("dm.thinp_percent=90", "dm.thinp_metapercent=2"), {
      code: "EINVAL",
      message: /Cannot change direct-lvm's set-up: .*ThinpPercent 95, not 90/,
    });
  });

  test("refuses a device that is somebody's, and leaves it alone", async () => {
    run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", device);
    await assertRefused(options(), {
      code: "EBUSY",
      message: /holds data of type ext4.*dm\.directlvm_device_force=true/,
    });
    const point = join(scratch, "mounted");
    run("mkdir", "-p", point);
    run("mount", device, point);
    await assertRefused(options("dm.directlvm_device_force=true"), { code: "EBUSY", message: /in use: .* is mounted/ });
    run("umount", point);
    run("wipefs", "-a", device);

    run("pvcreate", device);
    run("vgcreate", "somebodys", device);
    const inGroup = { code: "EBUSY", message: /it is in volume group somebodys/ };
    await assertRefused(options(), inGroup);
    await assertRefused(options("dm.directlvm_device_force=true"), inGroup);
    run("vgremove", "somebodys");
    run("pvremove", device);

    await assertRefused(options("dm.blocksize=64K"), { code: "EINVAL", message: /Leave dm\.blocksize out/ });
    await assertRefused([noUdev, "dm.directlvm_device=/dev/nothing"], { code: "EINVAL", message: /no such device/ });
    await assertRefused([noUdev, "dm.directlvm_device=/dev/null"], { code: "EINVAL", message: /no block device/ });
    await assert.rejects(openDeviceSet({ root, deviceMapper: "userspace", storageOptions: options() }), {
      code: "ENOTSUP",
      message: /has no LVM.*--device-mapper kernel/,
    });
  });

  test("wipes what is there where it is told to", async () => {
    run("mkfs.ext4", "-q", device);
    const set = await open(options("dm.directlvm_device_force=true", "dm.thinp_percent=80", "dm.thinp_metapercent=2"));
    await set.create("a");
    const size = Number(run("lvs", "--noheadings", "--nosuffix", "--units", "b", "-o", "lv_size", "docker/thinpool"));
    assert.ok(size > 0.78 * 2 ** 30 && size < 0.81 * 2 ** 30, String(size));
    await set.close();
  });

  test("undoes a set-up that fails, and one that was killed", async () => {
    const path = process.env["PATH"];
    const tools = join(scratch, "tools");
    run("mkdir", "-p", tools);
    writeFileSync(join(tools, "lvconvert"), "#!/bin/sh\necho 'the disk is on fire' >&2\nexit 5\n", { mode: 0o755 });
    process.env["PATH"] = `${tools}:${path ?? ""}`;
    try {
      await assert.rejects(open(options()), { code: "EIO", message: /lvconvert.*the disk is on fire/ });
    } finally {
      process.env["PATH"] = path;
    }
    assert.equal(run("vgs", "--noheadings"), "");
    assert.equal(run("pvs", "--noheadings"), "");
    assert.equal(existsSync(join(root, "setup-config.json")), false);

    run("pvcreate", device);
    run("vgcreate", "--addtag", "mica_setup", "docker", device);
    run("lvcreate", "-n", "thinpool", "docker", "--extents", "50%VG");
    const set = await open(options());
    await set.create("a");
    await set.close();
  });

  test("says which package is missing", async () => {
    const path = process.env["PATH"];
    const tools = join(scratch, "no-lvm");
    run("mkdir", "-p", tools);
    // The system's folders are searched in any case: a program that is not there is played by one that cannot be run.
    run("mount", "-t", "tmpfs", "none", tools);
    run("cp", "-a", "/usr/sbin/.", tools);
    for (const name of ["pvs", "vgs", "pvcreate"]) rmSync(join(tools, name));
    run("mount", "--bind", tools, "/usr/sbin");
    try {
      await assert.rejects(open(options()), {
        code: "ENOTSUP",
        message: /there is no such program; it is in Debian's package lvm2/,
      });
    } finally {
      run("umount", "/usr/sbin");
      run("umount", tools);
      process.env["PATH"] = path;
    }
  });
});
