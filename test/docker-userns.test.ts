import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, lstatSync, mkdirSync, symlinkSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { scratchFolder } from "../src/graph/testing/scratch-folder.ts";
import { call } from "../src/linux/libc.ts";
import { dockerOnMica, missingForDockerOnMica } from "./docker-on-mica.ts";

const CLONE_NEWNS = 0x20000;
/** Of each, users and groups, as /etc/subuid and /etc/subgid have them. */
const ranges = "nobody:500000:65536\nnogroup:500000:65536\n";

/** No user namespaces where their number is limited to none. */
function namespacesAreOff(): string | undefined {
  const most = readFileSync("/proc/sys/user/max_user_namespaces", "utf8");
  return Number(most) > 0 ? undefined : "the kernel allows no user namespaces";
}

const skip = missingForDockerOnMica() ?? namespacesAreOff() ?? false;

/** For this process and those it starts, in a mount namespace of their own: the machine's files stay as they are. */
function giveRanges(t: TestContext): void {
  const file = join(scratchFolder(t), "ranges");
  writeFileSync(file, ranges);
  call({ syscall: "unshare(CLONE_NEWNS)" }, "int unshare(int)", CLONE_NEWNS);
  execFileSync("mount", ["--make-rprivate", "/"]);
  for (const path of ["/etc/subuid", "/etc/subgid"]) {
    execFileSync("mount", ["--bind", file, path]);
    t.after(() => execFileSync("umount", [path]));
  }
}

test("containers in a user namespace own their files, and layers have the numbers inside", { skip }, async (t) => {
  giveRanges(t);
  const docker = await dockerOnMica(t, ["--userns-remap=nobody:nogroup"]);
  if (docker === undefined) return;
  const { engine, daemon, folder } = docker;
  const context = join(folder, "context");
  mkdirSync(join(context, "bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(context, "bin/busybox"));
  symlinkSync("busybox", join(context, "bin/sh"));
  writeFileSync(join(context, "theirs"), "1\n");
  chownSync(join(context, "theirs"), 1, 2);
  execFileSync("tar", ["-C", context, "-cf", join(folder, "base.tar"), "."]);
  await engine.ok("import", join(folder, "base.tar"), "base");

  const script =
    "busybox stat -c '%u %g' /theirs / /bin; echo new >/new; busybox chown 7:8 /new; busybox cat /proc/self/uid_map";
  const said = await engine.ok("run", "--name", "box", "--network", "none", "base", "sh", "-c", script);
  const words = said.split("\n").map((line) => line.trim().replace(/\s+/g, " "));
  assert.deepEqual(words, ["1 2", "0 0", "0 0", "0 500000 65536"]);
  assert.equal(lstatSync(join(daemon.root, "mnt")).mode & 0o777, 0o710);
  assert.deepEqual((await engine.ok("diff", "box")).split("\n"), ["A /new"]);
  await engine.ok("commit", "box", "committed");
  await engine.ok("save", "--output", join(folder, "saved.tar"), "committed");
  const layers = (
    JSON.parse(execFileSync("tar", ["-xOf", join(folder, "saved.tar"), "manifest.json"], { encoding: "utf8" })) as [
      { Layers: string[] },
    ]
  )[0].Layers;
  const layer = execFileSync("tar", ["-xOf", join(folder, "saved.tar"), layers[1]], { maxBuffer: 1 << 26 });
  const listing = execFileSync("tar", ["--numeric-owner", "-tvf", "-"], { input: layer, encoding: "utf8" });
  assert.match(listing, / 7\/8 .* new\n/);
  assert.doesNotMatch(listing, /500/);
  await engine.ok("rm", "box");
  const again = ["run", "--rm", "--network", "none", "committed", "busybox", "stat", "-c", "%u %g", "/new", "/theirs"];
  assert.equal(await engine.ok(...again), "7 8\n1 2");
  assert.deepEqual(await docker.end(), []);
});
