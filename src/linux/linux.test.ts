import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { blockDiscard, deviceSizeBytes, isBlockDevice, setReadOnly } from "./block-device.ts";
import { bootId } from "./boot-id.ts";
import { allocate, punchHole, zeroRange } from "./fallocate.ts";
import { lockFile } from "./flock.ts";
import {
  attachLoop,
  detachLoop,
  isLoopDevice,
  loopBusy,
  loopInfo,
  loopsOf,
  refreshLoopSize,
  setLoopAutoclear,
} from "./loop.ts";
import { isMounted, mountTable } from "./mount-table.ts";
import { mount, mountAsync, unmount, unmountAsync } from "./mount.ts";
import { packageFile } from "./package-root.ts";
import { pidfdGetfd, pidfdOpen, pidfdSendSignal } from "./pidfd.ts";
import { waitReadable } from "./poll.ts";
import { isHole } from "./seek.ts";
import { majorMinor, makeFifo, makeNode, packDevice, setTimes } from "./special-files.ts";
import { errno, errnoName, SystemError } from "./system-error.ts";
import { until } from "./testing/until.ts";
import { getXattr, listXattrs, removeXattr, setXattr } from "./xattr.ts";

const root = process.getuid?.() === 0 || "needs root";
const skipUnlessRoot = root === true ? false : root;
let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "mica-linux-"));
});
after(() => {
  for (const { mountPoint } of mountTable()) if (mountPoint.startsWith(folder)) unmount(mountPoint, { lazy: true });
  for (const name of ["disk", "disk2", "dis k"])
    for (const device of loopsOf(join(folder, name))) detachLoop(device, { deferred: true });
  rmSync(folder, { recursive: true, force: true });
});

describe("errors", () => {
  test("carry code, number, call and path", async () => {
    const wanted = { name: "SystemError", code: "ENODEV", errno: 19, path: folder };
    assert.throws(() => mount("none", folder, "nosuchfs"), skipUnlessRoot === false ? wanted : SystemError);
    await assert.rejects(mountAsync("none", folder, "nosuchfs"), skipUnlessRoot === false ? wanted : SystemError);
    assert.equal(errnoName(errno.EAGAIN), "EAGAIN");
    assert.equal(errnoName(9999), "E9999");
  });
});

describe("files", () => {
  test("holes are punched, seen and filled", () => {
    const path = join(folder, "holes");
    const fd = openSync(path, "w+");
    try {
      writeSync(fd, Buffer.alloc(1 << 20, 7));
      assert.equal(isHole(fd, 0, 65536), false);
      const full = fstatSync(fd).blocks;
      punchHole(fd, 0, 1 << 19);
      assert.equal(fstatSync(fd).size, 1 << 20);
      assert.ok(fstatSync(fd).blocks < full);
      assert.equal(isHole(fd, 0, 65536), true);
      assert.equal(isHole(fd, (1 << 19) - 65536, 65537), false);
      ftruncateSync(fd, 3 << 20);
      assert.equal(isHole(fd, 2 << 20, 65536), true);
      zeroRange(fd, 1 << 19, 4096);
      assert.equal(readFileSync(path)[1 << 19], 0);
      allocate(fd, 0, 65536);
      assert.ok(fstatSync(fd).blocks > 0);
      assert.equal(deviceSizeBytes(fd), 3 << 20);
      assert.equal(deviceSizeBytes(path), 3 << 20);
      assert.equal(isBlockDevice(path), false);
    } finally {
      closeSync(fd);
    }
  });

  test("a lock keeps others out until it is released or its holder dies", async () => {
    const path = join(folder, "lock");
    const lock = await lockFile(path);
    await assert.rejects(lockFile(path, { wait: false }), { code: "EAGAIN" });
    await assert.rejects(lockFile(path, { wait: 20 }), { code: "EAGAIN" });
    const second = lockFile(path);
    lock.release();
    lock.release();
    (await second).release();
    const shared = [await lockFile(path, { exclusive: false }), await lockFile(path, { exclusive: false })];
    await assert.rejects(lockFile(path, { wait: false }), { code: "EAGAIN" });
    for (const one of shared) one.release();
  });

  test("extended attributes hold bytes", (t) => {
    const path = join(folder, "attributes");
    writeFileSync(path, "");
    const value = Buffer.from([0, 1, 255, 0]);
    try {
      setXattr(path, "user.mica", value);
    } catch (error) {
      if (error instanceof SystemError && error.code === "EOPNOTSUPP") return t.skip("no xattrs here");
      throw error;
    }
    setXattr(path, "user.long", Buffer.alloc(2000, 1));
    assert.deepEqual(
      listXattrs(path)
        .filter((name) => name.startsWith("user."))
        .sort(),
      ["user.long", "user.mica"],
    );
    assert.deepEqual(getXattr(path, "user.mica"), value);
    assert.equal(getXattr(path, "user.long")?.length, 2000);
    assert.equal(getXattr(path, "user.none"), undefined);
    removeXattr(path, "user.mica");
    assert.throws(() => removeXattr(path, "user.mica"), { code: "ENODATA" });
    return undefined;
  });

  test("times keep nanoseconds, also before 1970", () => {
    const path = join(folder, "times");
    writeFileSync(path, "");
    setTimes(path, 1_234_567_890_123_456_789n, -1n);
    const stat = statSync(path, { bigint: true });
    assert.equal(stat.atimeNs, 1_234_567_890_123_456_789n);
    assert.equal(stat.mtimeNs, -1n);
  });

  test("special files", { skip: skipUnlessRoot }, () => {
    makeFifo(join(folder, "fifo"), 0o600);
    assert.ok(statSync(join(folder, "fifo")).isFIFO());
    makeNode(join(folder, "null"), 0o020666, 1, 3);
    const stat = statSync(join(folder, "null"));
    assert.ok(stat.isCharacterDevice());
    assert.deepEqual(majorMinor(stat.rdev), { major: 1, minor: 3 });
    assert.deepEqual(majorMinor(packDevice(4000, 1_000_000)), { major: 4000, minor: 1_000_000 });
  });
});

describe("processes", () => {
  test("a descriptor can be taken from a living process", () => {
    const fd = openSync(join(folder, "taken"), "w+");
    writeSync(fd, "here");
    const pidfd = pidfdOpen(process.pid);
    const copy = pidfdGetfd(pidfd, fd);
    try {
      pidfdSendSignal(pidfd, 0);
      assert.equal(fstatSync(copy).ino, fstatSync(fd).ino);
    } finally {
      for (const one of [fd, pidfd, copy]) closeSync(one);
    }
    assert.throws(() => pidfdOpen(2 ** 22 - 1), { code: "ESRCH" });
  });

  test("poll tells what can be read", () => {
    const path = join(folder, "poll-fifo");
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
    const fd = openSync(path, "r+");
    try {
      assert.equal(waitReadable(fd, 0), false);
      assert.equal(waitReadable(fd, 5), false);
      writeSync(fd, "x");
      assert.equal(waitReadable(fd, -1), true);
    } finally {
      closeSync(fd);
    }
  });

  test("this package and this boot are known", () => {
    assert.match(readFileSync(packageFile("package.json"), "utf8"), /"name": "mica"/);
    assert.match(bootId(), /^[0-9a-f-]{36}$/);
    assert.equal(bootId(), bootId());
  });
});

describe("mounts", { skip: skipUnlessRoot }, () => {
  test("are made, listed and ended, with odd names too", async () => {
    const target = join(folder, "a mount\tünder");
    mkdirSync(target);
    mount("mica-test", target, "tmpfs", 0, "size=64k");
    assert.ok(isMounted(target));
    const entry = mountTable().find(({ mountPoint }) => mountPoint === target);
    assert.equal(entry?.source, "mica-test");
    assert.equal(entry.fsType, "tmpfs");
    const fd = openSync(join(target, "busy"), "w");
    assert.throws(() => unmount(target), { code: "EBUSY" });
    closeSync(fd);
    await unmountAsync(target);
    assert.equal(isMounted(target), false);
    assert.throws(() => unmount(target), { code: "EINVAL" });
  });
});

describe("loop devices", { skip: skipUnlessRoot }, () => {
  test("attach with direct I/O, know their file, detach", async () => {
    const path = join(folder, "dis k");
    writeFileSync(path, "");
    const fd = openSync(path, "r+");
    ftruncateSync(fd, 8 << 20);
    const device = attachLoop(path, { directIo: true });
    try {
      assert.ok(isBlockDevice(device));
      assert.equal(deviceSizeBytes(device), 8 << 20);
      const info = loopInfo(device);
      assert.equal(info?.backingFile, path);
      assert.equal(info.directIo, true);
      assert.equal(info.autoclear, false);
      assert.deepEqual(loopsOf(path), [device]);
      ftruncateSync(fd, 16 << 20);
      refreshLoopSize(device);
      assert.equal(deviceSizeBytes(device), 16 << 20);
      const deviceFd = openSync(device, "r+");
      writeSync(deviceFd, Buffer.alloc(4096, 9));
      blockDiscard(deviceFd, 0, 1 << 20);
      closeSync(deviceFd);
      setLoopAutoclear(device, "off");
      setLoopAutoclear(device, "on"); // nobody else has it open: it goes at once
    } finally {
      closeSync(fd);
      // Not if it is gone: it may be another's by now.
      for (const attached of loopsOf(path)) detachLoop(attached);
    }
    await until("it is detached", () => loopsOf(path).length === 0);
  });

  test("one is known by its number, whatever it is called", () => {
    const [path, called] = [join(folder, "loop0"), join(folder, "disk-of-another-name")];
    writeFileSync(path, Buffer.alloc(1 << 20));
    const device = attachLoop(path);
    symlinkSync(device, called);
    assert.deepEqual([device, called, path, "/dev/null", join(folder, "nothing")].map(isLoopDevice), [true, true, false, false, false]); // prettier-ignore
    detachLoop(device);
  });

  test("one that was made read-only is not when it is attached again", () => {
    const path = join(folder, "again");
    writeFileSync(path, Buffer.alloc(1 << 20));
    let device = attachLoop(path);
    setReadOnly(device, "read-only");
    assert.equal(loopInfo(device)?.readOnly, true);
    detachLoop(device);
    device = attachLoop(path);
    assert.equal(loopInfo(device)?.readOnly, false);
    detachLoop(device);
  });

  test("a mounted one is busy, and goes later when asked", async () => {
    const path = join(folder, "disk");
    writeFileSync(path, "");
    const fd = openSync(path, "r+");
    ftruncateSync(fd, 8 << 20);
    closeSync(fd);
    const device = attachLoop(path);
    assert.equal(spawnSync("mkfs.ext4", ["-q", device]).status, 0);
    const target = join(folder, "busy-mount");
    mkdirSync(target);
    mount(device, target, "ext4");
    try {
      assert.equal(loopBusy(device), true);
      assert.equal(detachLoop(device), "busy");
      assert.deepEqual(loopsOf(path), [device]);
      assert.equal(detachLoop(device, { deferred: true }), "deferred");
      assert.equal(loopInfo(device)?.autoclear, true);
    } finally {
      await unmountAsync(target);
    }
    await until("it is detached", () => loopsOf(path).length === 0);
  });
});
