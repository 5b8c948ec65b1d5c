import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packageFile } from "../src/linux/package-root.ts";
import { DockerEngine } from "./docker-engine.ts";
import { missingForDockerOnMica } from "./docker-on-mica.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";
import { MicaDaemon } from "./mica-daemon.ts";

const skip = missingForDockerOnMica() ?? false;

/** As docs/docker-plugin.md says. */
function moveIn(dataRoot: string, graph: string, driver: string): void {
  renameSync(join(dataRoot, "devicemapper"), graph);
  renameSync(join(dataRoot, "image/devicemapper"), join(dataRoot, "image", driver));
  for (const id of readdirSync(join(dataRoot, "containers"))) {
    const path = join(dataRoot, "containers", id, "config.v2.json");
    const config = readFileSync(path, "utf8");
    writeFileSync(path, config.replace('"Driver":"devicemapper"', `"Driver":"${driver}"`));
  }
}

test("what Docker's devicemapper driver left goes on as it is, in a Docker that has Mica", { skip }, async (t) => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mica-moves-")));
  const driver = folder.replace(/^.*\//, "").toLowerCase();
  const socket = `/run/docker/plugins/${driver}.sock`;
  const daemon = new MicaDaemon(folder, { "--docker-plugin": socket }, []);
  const engine = new DockerEngine({ folder: join(folder, "docker"), driver });
  t.after(async () => {
    try {
      await engine.remove();
      await daemon.shutdown();
      assert.deepEqual(leftoversIn(folder), []);
    } finally {
      await removeLeftovers(folder);
      rmSync(folder, { recursive: true, force: true });
      rmSync(socket, { force: true });
    }
  });
  mkdirSync(engine.dataRoot, { recursive: true });
  execFileSync("tar", ["-C", engine.dataRoot, "-xSJf", packageFile("test/fixtures/docker-20.10-graph-ext4.tar.xz")]);
  moveIn(engine.dataRoot, daemon.root, driver);
  await daemon.start();
  await engine.start();

  const images = await engine.ok("images", "--format", "{{.Repository}}:{{.Tag}}");
  assert.deepEqual(images.split("\n").sort(), ["base:1", "img2:1"]);
  const changes = await engine.ok("diff", "c2");
  assert.deepEqual(changes.split("\n").sort(), ["A /etc/newfile", "C /etc"]);
  assert.match(await engine.ok("inspect", "--format", "{{json .GraphDriver}}", "c2"), /"DeviceSize":"2147483648"/);
  await engine.ok("commit", "c1", "new:1");
  assert.equal(
    await engine.ok(
      "run",
      "--rm",
      "--network",
      "none",
      "new:1",
      "sh",
      "-c",
      "ls /data/deep; [ -e /etc/f1 ] || echo gone",
    ),
    "r1\nr2\nr3\ngone",
  );
  const kinds = JSON.parse((await daemon.mica("--json", "ls")).stdout) as { kind: string; device: string }[];
  assert.ok(kinds.filter(({ kind }) => kind === "docker").length >= 3, JSON.stringify(kinds));
  await engine.ok("rm", "c1", "c2");
  await engine.ok("rmi", "new:1", "img2:1", "base:1");
  const left = await daemon.mica("--json", "ls");
  assert.deepEqual(
    (JSON.parse(left.stdout) as { device: string }[]).map(({ device }) => device),
    ["base"],
  );
  assert.equal((await daemon.mica("check")).stdout, "No problems found\n");
});
