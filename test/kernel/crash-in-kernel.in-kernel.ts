// Runs inside User-mode Linux: power cuts at many moments of a graph's life (see crash-in-kernel.test.ts).
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kernelDeviceMapper } from "../../src/device-mapper/kernel/kernel-device-mapper.ts";
import { userspaceDeviceMapper } from "../../src/device-mapper/userspace/userspace-device-mapper.ts";
import { openDeviceSet, type DeviceSet } from "../../src/graph/graph.ts";
import { Random } from "../../src/thin/testing/random.ts";
import {
  attachParts,
  CutDisk,
  detachParts,
  LoggedDisk,
  newDisk,
  parts,
  setPartWrites,
  type Part,
} from "./crash-in-kernel-disk.ts";
import { requireStory, Story } from "./crash-in-kernel-story.ts";
import { cutPoints, type LogEntry } from "./log-writes.ts";
import { runInShell } from "./pool-crossing-shell.ts";

const MEBIBYTE = 2 ** 20;

/** Where a graph's pool is. */
interface Setting {
  name: string;
  mapper: "kernel" | "userspace";
  storageOptions: readonly string[];
  /** Before the graph is opened, and after it was shut down. */
  startPool?: string;
  stopPool?: string;
  /** The pool's metadata, for thin_check. */
  metadata: (root: string) => string;
  /** A power cut before the end of each so-manieth step of the story. */
  everySteps: number;
}

const common = ["dm.basesize=48M", "dm.override_udev_sync_check=true"];
const loopback = ["dm.loopdatasize=256M", "dm.loopmetadatasize=4M"];
const ownMetadata = (root: string): string => join(root, "devicemapper/metadata");

const settings: readonly Setting[] = [
  {
    name: "loopback files, kernel",
    mapper: "kernel",
    storageOptions: loopback,
    metadata: ownMetadata,
    everySteps: 1,
  },
  {
    name: "block devices, kernel",
    mapper: "kernel",
    storageOptions: [`dm.datadev=${parts.data}`, `dm.metadatadev=${parts.metadata}`],
    metadata: () => parts.metadata,
    everySteps: 1,
  },
  {
    name: "a pool of others (dm.thinpooldev), kernel",
    mapper: "kernel",
    storageOptions: ["dm.thinpooldev=crash-pool"],
    startPool: `dmsetup create crash-pool --table '0 ${256 * 2048} thin-pool ${parts.metadata} ${parts.data} 128 0 1 skip_block_zeroing'`,
    stopPool: "dmsetup remove crash-pool",
    metadata: () => parts.metadata,
    everySteps: 1,
  },
  {
    name: "loopback files, user space",
    mapper: "userspace",
    storageOptions: loopback,
    metadata: ownMetadata,
    everySteps: 3,
  },
];

function open(setting: Setting, root: string, log: string[], storageOptions: readonly string[]): Promise<DeviceSet> {
  return openDeviceSet({
    root,
    deviceMapper: setting.mapper === "kernel" ? kernelDeviceMapper() : userspaceDeviceMapper(),
    storageOptions: [...storageOptions],
    // Its monitor is a process that takes longer to start than all of this takes.
    autogrow: { enabled: false },
    log: (level, message) => log.push(`${level}: ${message}`),
  });
}

/** A graph's life: each kind of change, with files written and synced in between. */
async function live(setting: Setting, root: string, story: Story): Promise<void> {
  let set = await open(setting, root, [], [...common, ...setting.storageOptions]);
  story.opened();
  await story.create(set, "a", "base");
  const a = await set.get("a");
  story.write(a, "a", "first", 100);
  // The origin is mounted and changes.
  await story.create(set, "b", "a");
  story.write(a, "a", "second", 60);
  const b = await set.get("b");
  story.write(b, "b", "in b", 300);
  await set.put("b");
  await story.create(set, "c", "b");
  await story.remove(set, "b");
  const c = await set.get("c");
  story.write(c, "c", "in c", 30);
  // In use: its deletion is deferred, and done later.
  await story.remove(set, "c");
  await set.put("c");
  await set.retryDeletions();
  story.did("delete-later", "c");
  await story.create(set, "d", "a", 56 * MEBIBYTE);
  await set.put("a");
  await set.close();
  set = await open(setting, root, [], ["dm.basesize=64M"]);
  story.did("grow", "base");
  await story.create(set, "e", "base");
  const e = await set.get("e");
  story.write(e, "e", "in e", 80);
  await set.put("e");
  await story.remove(set, "a");
  await set.shutdown();
  story.did("shutdown", "base");
}

/** A cut point somewhere in each so-manieth step. */
function choose(entries: readonly LogEntry[], everySteps: number, random: Random): ReturnType<typeof cutPoints> {
  const marks = entries.flatMap(({ mark }, index) => (mark === undefined ? [] : [index]));
  const points = cutPoints(entries);
  return marks.flatMap((mark, index) => {
    const within = points.filter(({ durable }) => durable <= mark && durable > marks[index - 1]);
    return index % everySteps === 0 && within.length > 0 ? [random.pick(within)] : [];
  });
}

function stepsDone(entries: readonly LogEntry[], durable: number, story: Story): number {
  let done = -1;
  // A mark right behind tells of nothing that is not on the medium already.
  for (let index = 0; index < durable || entries[index]?.kind === "mark"; index++) {
    const step = story.steps.findIndex(({ name }) => name === entries[index].mark);
    if (step >= 0) done = step;
  }
  return done;
}

/**
 * While the kernel passes a discard down it counts the blocks once more, without a mapping, so that nobody gets them meanwhile. If it
 * commits right then, a power cut leaves them counted: space that nobody uses, and no data that is lost.
 */
function isNoLeak(problem: string): boolean {
  return !/data space map: block \d+ has a reference count of 1; 0 references found$/.test(problem);
}

function requireThinCheck(metadata: string): void {
  const said = runInShell(`thin_check ${metadata} 2>&1 || true`).split("\n");
  const problems = said.filter((line) => !/^(examining|checking|TRANSACTION_ID|METADATA_FREE_BLOCKS)|^$/.test(line));
  assert.deepEqual(
    problems.filter((line) => !/^ *data reference counts differ for block \d+, expected 0, but got 1$/.test(line)),
    [],
  );
}

/** Opens the graph on a disk that lost its power: everything has to be there, sound, and of use. */
async function requireSurvived(
  setting: Setting,
  { disk, mountPoint, log, wasOpened }: { disk: string; mountPoint: string; log: string[]; wasOpened: boolean },
  requireContents: (set: DeviceSet) => Promise<void>,
): Promise<void> {
  const root = join(mountPoint, "graph");
  attachParts(disk, mountPoint);
  if (setting.startPool !== undefined) runInShell(setting.startPool);
  // Its options are kept with it once it was opened.
  const set = await open(setting, root, log, wasOpened ? [] : [...common, ...setting.storageOptions]);
  try {
    assert.deepEqual((await set.check()).filter(isNoLeak), []);
    await requireContents(set);
    for (const { id, deleted } of await set.devices()) {
      if (id === "base" || deleted) continue;
      runInShell(`e2fsck -fn ${await set.activate(id)}`);
      await set.deactivate(id);
    }
    await set.create("new");
    await set.get("new");
    await set.put("new");
    await set.remove("new");
    assert.deepEqual((await set.check()).filter(isNoLeak), []);
  } finally {
    await set.shutdown();
  }
  if (setting.stopPool !== undefined) runInShell(setting.stopPool);
  requireThinCheck(setting.metadata(root));
  detachParts(mountPoint);
}

/** Nothing is left of most of these, unless the test failed. */
function clearAway(folder: string, mountPoint: string): void {
  runInShell(`umount -l ${mountPoint}; dmsetup remove_all --force; losetup -D; true`);
  rmSync(folder, { recursive: true, force: true });
}

for (const setting of settings) {
  test(`after a power cut at any moment a graph opens with all that it told of: ${setting.name}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "mica-crash-"));
    const mountPoint = join(folder, "mount");
    t.after(() => clearAway(folder, mountPoint));
    const root = join(mountPoint, "graph");
    const logged = new LoggedDisk(folder);
    const story = new Story((name) => logged.mark(name));
    attachParts(logged.device, mountPoint);
    if (setting.startPool !== undefined) runInShell(setting.startPool);
    logged.mark("begin");
    await live(setting, root, story);
    if (setting.stopPool !== undefined) runInShell(setting.stopPool);
    detachParts(mountPoint);
    logged.close();

    const cut = new CutDisk(folder, logged.logFile);
    const { entries } = cut.replay;
    const random = new Random(17);
    const points = choose(entries, setting.everySteps, random);
    for (const { durable, possible } of points) {
      cut.replay.advanceTo(durable);
      const surely = stepsDone(entries, durable, story);
      cut.replay.doSome(possible, () => random.once(2));
      const when = `entry ${durable} of ${entries.length}, ${story.steps[surely]?.name ?? "nothing"} done`;
      await cut.with(async () => {
        const log: string[] = [];
        try {
          await requireSurvived(setting, { disk: cut.device, mountPoint, log, wasOpened: surely >= 0 }, (set) =>
            requireStory(set, story.steps, surely),
          );
        } catch (error) {
          throw new Error(`After a power cut at ${when}: ${String(error)}\n${log.join("\n")}`, { cause: error });
        }
      });
    }
    cut.close();
    t.diagnostic(`${points.length} power cuts in ${entries.length} entries`);
  });
}

/** What is tried while a part's writes fail, and has to be refused then. */
const failures: readonly { part: Part; attempt: (set: DeviceSet, story: Story) => Promise<void> }[] = [
  { part: "metadata", attempt: (set, story) => story.create(set, "x", "a") },
  { part: "fileSystem", attempt: (set, story) => story.create(set, "x", "a") },
  { part: "data", attempt: async (set, story) => story.write(await set.get("a"), "a", "x", 500) },
];

for (const { part, attempt } of failures) {
  test(`when writes to the ${part} fail, an operation says so, and nothing that was told is lost`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "mica-flaky-"));
    const mountPoint = join(folder, "mount");
    t.after(() => clearAway(folder, mountPoint));
    const disk = newDisk(folder);
    attachParts(disk, mountPoint);
    const setting = settings[1];
    const root = join(mountPoint, "graph");
    const log: string[] = [];
    const story = new Story(() => undefined);
    const set = await open(setting, root, log, [...common, ...setting.storageOptions]);
    story.opened();
    await story.create(set, "a", "base");
    const rootfs = await set.get("a");
    story.write(rootfs, "a", "kept", 300);
    // Unmounted: what ext4 does with a journal on a failing device is not the matter here.
    await set.put("a");
    setPartWrites(part, disk, "fail");
    await assert.rejects(attempt(set, story), (error: Error) => {
      t.diagnostic(error.message);
      return true;
    });
    await set.shutdown();
    setPartWrites(part, disk, "succeed");
    detachParts(mountPoint);
    if (part === "data") {
      // dm-thin asks for a check then; the refusal says which.
      attachParts(disk, mountPoint);
      await assert.rejects(open(setting, root, log, []), {
        code: "EROFS",
        message: /thin_check --clear-needs-check-flag/,
      });
      runInShell(`thin_check --clear-needs-check-flag ${parts.metadata}`);
      detachParts(mountPoint);
    }
    await requireSurvived(setting, { disk, mountPoint, log, wasOpened: true }, (again) =>
      requireStory(
        again,
        [...story.steps, { name: "attempt", touched: part === "data" ? "a" : "x", contents: new Map() }],
        story.steps.length - 1,
      ),
    );
  });
}
