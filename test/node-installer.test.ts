import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { poolPaths } from "../src/block-device/pool-paths.ts";
import { poolNames } from "../src/block-device/pool-process.ts";
import { readPoolState } from "../src/block-device/pool-state.ts";
import { missingRequirement } from "../src/cli/requirements.ts";
import { craftTar } from "../src/layer/testing/craft-tar.ts";
import { outcomeOf, run, type Outcome } from "./cli-support.ts";
import { installPackage } from "./installed-package.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";
import { kubernetes, NodeStandIn } from "./node-stand-in.ts";

const restart = "systemctl restart mica.service";
const units = "etc/systemd/system";

const packaged = mkdtempSync(join(tmpdir(), "mica-packaged-"));
let image: string;
before(async () => {
  image = await installPackage(packaged);
});
after(() => rmSync(packaged, { recursive: true, force: true }));

suite("putting Mica on a node", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-node-"));
  let node: NodeStandIn;
  let sockets: Server[];

  before(async () => {
    node = await NodeStandIn.start(folder, image);
    node.configure('root = "/var/lib/mica"\n');
    sockets = await Promise.all(["api", "containerd"].map((name) => answering(join(folder, "run", `${name}.sock`))));
  });
  after(async () => {
    for (const socket of sockets) socket.close();
    await node.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("the npm package has in it what it needs, and what is to be read", async () => {
    const { version } = JSON.parse(readFileSync(join(node.image, "package.json"), "utf8")) as { version: string };
    const env = { PATH: process.env["PATH"], MICA_ROOT: join(folder, "graph"), MICA_RUN_DIR: join(folder, "pools") };
    const mica = (...args: string[]): Promise<Outcome> =>
      outcomeOf(spawn(join(node.image, "bin/mica"), args, { env, cwd: folder }));
    assert.deepEqual(await mica("--version"), { status: 0, signal: null, stdout: `${version}\n`, stderr: "" });
    assert.match((await mica("--help")).stdout, /^ {2}import +bring in an image/m);
    assert.match((await mica("images")).stderr, /^mica: Cannot .*graph/, "the code of a command is there");
    for (const path of ["man/mica.1", "docs/cluster.md", "packaging/kubernetes/daemonset.yaml", "scripts/setup.sh"]) {
      assert.ok(existsSync(join(node.image, path)), path);
    }
    assert.ok(!existsSync(join(node.image, "node_modules/tsx")), "nothing of development is there");
  });

  test("lays the programs out, has the unit run them, and shows the log", async () => {
    const { status, stdout, stderr, asked } = await node.install();
    assert.equal(status, 0, stderr);
    const [build] = node.builds();
    assert.match(build, /^\d+\.\d+\.\d+-[0-9a-f]{12}$/);
    assert.match(stdout, new RegExp(`Mica ${build} runs on this node`));
    const programs = `/opt/mica/versions/${build}/bin`;
    const dropIn = node.read(`${units}/mica.service.d/programs.conf`);
    assert.equal(dropIn, `[Service]\nExecStart=\nExecStart=${programs}/node ${programs}/mica daemon\n`);
    assert.match(node.read(`${units}/mica.service`), /^KillMode=process$/m, "pools outlive the daemon");
    assert.equal(node.read("etc/mica/config.toml"), 'root = "/var/lib/mica"\n');
    assert.ok(asked.includes("systemctl enable --quiet mica.service"));
    assert.ok(asked.indexOf("systemctl daemon-reload") < asked.indexOf(restart));
    assert.equal(asked.at(-1), "journalctl --unit mica.service --follow --lines 50");
    const version = await outcomeOf(node.run("/opt/mica/mica --version"));
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/, version.stderr);
  });

  test("changes nothing the second time, and leaves the daemon alone", async () => {
    const before = node.builds();
    const { status, stderr, asked } = await node.install();
    assert.equal(status, 0, stderr);
    assert.deepEqual(node.builds(), before);
    assert.ok(!asked.includes(restart));
  });

  test("restarts a daemon whose configuration changed, and one that does not answer", async () => {
    node.configure('root = "/srv/mica"\n');
    assert.ok((await node.install()).asked.includes(restart));
    assert.equal(node.read("etc/mica/config.toml"), 'root = "/srv/mica"\n');
    const [api] = sockets.splice(0, 1);
    api.close();
    const without = await node.install();
    assert.match(without.stderr, /^The daemon does not answer: /m);
    assert.ok(without.asked.includes(restart));
    sockets.push(await answering(join(folder, "run/api.sock")));
  });

  test("an installation that was cut off is done again", async () => {
    const [build] = node.builds();
    const half = node.path("opt/mica/versions/0.0.0-0.new/bin");
    cpSync(node.path(`opt/mica/versions/${build}/bin/mica`), join(half, "mica"));
    assert.equal((await node.install()).status, 0);
    assert.deepEqual(node.builds(), [build]);
  });

  test("a daemon that does not start is told of, with its log", async () => {
    node.stub("systemctl", '[ "$1" != restart ]');
    node.stub("journalctl", 'echo "what the daemon said"');
    node.configure("broken\n");
    const { status, stderr } = await node.install();
    assert.equal(status, 1);
    assert.match(stderr, /what the daemon said\n.*Cannot install Mica on this node: its daemon does not start/s);
    node.stub("systemctl", "exit 127");
    assert.match((await node.install()).stderr, /Cannot install Mica on this node: it has no systemd/);
  });

  test("the probe fails where nothing answers", async () => {
    const probe = ["MICA_RUN_FOLDER=/nonexistent", process.execPath, join(kubernetes, "probe.mjs")];
    const { status, stderr } = await run("env", probe);
    assert.equal(status, 1);
    assert.match(stderr, /^The daemon does not answer: .*ENOENT/);
  });
});

async function answering(path: string): Promise<Server> {
  const server = createServer((_request, response) => response.end()).listen(path);
  await once(server, "listening");
  return server;
}

/** Ends the daemon's main process, as systemd does with KillMode=process. */
const stopDaemon = (folder: string): string =>
  `kill -TERM "$(cat ${folder}/pid)"; while kill -0 "$(cat ${folder}/pid)" 2>/dev/null; do sleep 0.05; done`;

/** Restarts the daemon as systemd does the unit: what the old one started goes on. */
const restartingSystemctl = (folder: string): string => `
[ "$1" = restart ] || exit 0
if [ -e ${folder}/pid ]; then ${stopDaemon(folder)}; fi
start=$(sed -n 's/^ExecStart=\\(..*\\)/\\1/p' ${folder}/node/etc/systemd/system/mica.service.d/programs.conf)
MICA_RUN_DIR=${folder}/run MICA_CONFIG=${folder}/node/etc/mica/config.toml setsid $start >>${folder}/daemon.log 2>&1 &
echo $! >${folder}/pid
for _ in $(seq 600); do
  kill -0 "$(cat ${folder}/pid)" || exit 1
  node "$MICA_IMAGE_FOLDER/packaging/kubernetes/probe.mjs" 2>/dev/null && exit 0
  sleep 0.1
done
exit 1`;

suite("upgrading Mica on a node", { skip: missingRequirement() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-upgrade-"));
  const runFolder = join(folder, "run");
  let node: NodeStandIn;

  before(async () => {
    node = await NodeStandIn.start(folder, image);
    node.stub("systemctl", restartingSystemctl(folder));
    node.configure(
      `root = "${folder}/graph"\nstorage-opts = ["dm.basesize=256M", "dm.loopdatasize=2G", "dm.loopmetadatasize=32M"]\n` +
        `[daemon]\napi = "${runFolder}/api.sock"\ncontainerd = "${runFolder}/containerd.sock"\n`,
    );
    writeFileSync(join(folder, "image.tar"), craftTar([{ name: "file", content: "of the image\n" }]));
  });
  after(async () => {
    await onNode(`${stopDaemon(folder)}; mica shutdown`);
    await node.stop();
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a script in which \`mica\` is the node's. */
  async function onNode(script: string): Promise<string> {
    const env = `export MICA_CONFIG=${folder}/node/etc/mica/config.toml MICA_RUN_DIR=${runFolder}`;
    const { stdout, stderr } = await outcomeOf(node.run(`${env}; mica() { /opt/mica/mica "$@"; }; ${script}`));
    return stdout + stderr;
  }

  async function install(): Promise<void> {
    const { status, stderr } = await node.install();
    assert.equal(status, 0, stderr + readFileSync(join(folder, "daemon.log"), "utf8").slice(-2000));
  }

  const daemonPid = (): string => readFileSync(join(folder, "pid"), "utf8").trim();
  const program = (pid: string | number): string => readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[0];
  const enginePid = (): number => {
    const [pool] = poolNames(runFolder);
    return readPoolState(poolPaths(runFolder, pool))!.engine!.pid;
  };

  test("the daemon is replaced; the pool and what is mounted from it go on", async () => {
    await install();
    const [oldBuild] = node.builds();
    const oldDaemon = daemonPid();
    const mounted = await onNode(
      `mica import image ${folder}/image.tar >/dev/null && mica create image web >/dev/null && mica mount web`,
    );
    const engine = enginePid();
    assert.match(program(oldDaemon), new RegExp(oldBuild));

    // A container's process, which has a file open and goes on writing.
    const container = node.run(`cd ${mounted.trim()} && while echo more; do sleep 0.02; done >>written`);
    writeFileSync(join(node.image, "dist/a-newer-build"), "");
    await install();

    assert.notEqual(daemonPid(), oldDaemon);
    assert.match(program(daemonPid()), new RegExp(node.builds().find((build) => build !== oldBuild)!));
    assert.equal(enginePid(), engine);
    assert.equal(container.exitCode, null);
    container.kill();
    assert.equal(
      await onNode(`cat ${mounted.trim()}/file && tail -n 1 ${mounted.trim()}/written`),
      "of the image\nmore\n",
    );
    assert.match(await onNode("mica --json ls"), /"web"|mountPoint/);
    assert.ok(
      node.builds().includes(oldBuild),
      "the pool's supervisor is of the old build, and would start engines from it",
    );
    assert.equal(await onNode("mica umount web && mica rm web && mica check"), "web\nNo problems found\n");
  });

  test("the old build goes when its pool has ended", async () => {
    assert.equal(node.builds().length, 2);
    await onNode(`${stopDaemon(folder)}; mica shutdown`);
    rmSync(join(folder, "pid"));
    await install();
    assert.equal(node.builds().length, 1);
    await onNode(`${stopDaemon(folder)}; mica shutdown`);
    await node.stop();
    assert.deepEqual(leftoversIn(folder), []);
  });
});
