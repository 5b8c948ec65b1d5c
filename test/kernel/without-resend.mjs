// Runs inside a kernel that cannot resend FUSE requests: kills an engine under writes, several times. After each kill the
// pool has to be there again for the next command, thin_check has to pass, and what was flushed has to be intact.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { userspaceDeviceMapper } from "../../src/device-mapper/userspace/userspace-device-mapper.ts";
import { allLoops } from "../../src/linux/loop.ts";
import { unmount } from "../../src/linux/mount.ts";

const MEBIBYTE = 1 << 20;
const { SCRATCH: scratch, MICA_RUN_DIR: runDir } = process.env;
const [metadata, data] = [`${scratch}/ext4/metadata`, `${scratch}/ext4/data`];
const mountPoint = `${scratch}/mount`;
for (const [file, mebibytes] of [
  [metadata, 16],
  [data, 256],
]) {
  writeFileSync(file, "");
  truncateSync(file, mebibytes * MEBIBYTE);
}
const program = (name, ...words) => execFileSync(name, words, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
const mapper = userspaceDeviceMapper();
await mapper.create("pool", `0 ${256 * 2048} thin-pool ${metadata} ${data} 128 0`);
await mapper.message("pool", "create_thin 1");
await mapper.create("volume", `0 ${128 * 2048} thin pool 1`);
mkdirSync(mountPoint);
program("mkfs.ext4", "-q", (await mapper.info("volume")).blockDevice);

for (let round = 0; round < 3; round += 1) {
  program("mount", (await mapper.info("volume")).blockDevice, mountPoint);
  for (let earlier = 0; earlier < round; earlier += 1) {
    if (readFileSync(`${mountPoint}/flushed-${earlier}`, "utf8") !== `round ${earlier}`)
      throw new Error("lost what was flushed");
  }
  const fd = openSync(`${mountPoint}/flushed-${round}`, "w");
  writeSync(fd, `round ${round}`);
  fsyncSync(fd);
  closeSync(fd);
  const writer = spawn("dd", ["if=/dev/zero", `of=${mountPoint}/stream`, "bs=64k", "count=512", "conv=fsync"], {
    stdio: "ignore",
  });
  await sleep(30 + 40 * round);
  const { engine } = JSON.parse(readFileSync(`${runDir}/pool/state.json`, "utf8"));
  process.kill(engine.pid, "SIGKILL");
  // No write hangs for ever: it ends, in an error where it was lost.
  await new Promise((resolve) => writer.once("exit", resolve));
  unmount(mountPoint, { lazy: true });
  // The next command notices, and the pool is there again with its volume.
  if (!/ rw /.test(await mapper.status("pool"))) throw new Error("the pool did not come back");
  const device = (await mapper.info("volume")).blockDevice;
  const fsck = spawnSync("e2fsck", ["-fp", device], { encoding: "utf8" });
  if (fsck.status > 1) throw new Error(`e2fsck: ${fsck.stdout}${fsck.stderr}`); // 1: the journal was replayed
  const problems = await mapper.checkMetadata("pool");
  if (problems.length > 0) throw new Error(problems.join("; "));
  console.log(`round ${round} is over`);
}
await mapper.remove("volume");
await mapper.remove("pool");
const left = allLoops().filter(({ backingFile }) => backingFile !== `${scratch}/ext4.disk`);
if (left.length > 0) throw new Error(`still attached: ${JSON.stringify(left)}`);
program("thin_check", "-q", metadata);
console.log("all is well");
