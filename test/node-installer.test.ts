import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { outcomeOf, run, type Outcome } from "./cli-support.ts";
import { installPackage } from "./installed-package.ts";

const kubernetes = fileURLToPath(new URL("../packaging/kubernetes", import.meta.url));
const unitFolder = "etc/systemd/system";

/**
 * A machine that stands for pod and node at once: a mount namespace in which /opt/mica is the node's, and the installer's programs are the
 * real ones, but for those that ask the node's systemd: they write down what they were asked.
 */
suite("putting Mica on a node", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  let folder: string;
  let image: string;
  let sockets: Server[];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mica-node-"));
    image = await installPackage(folder);
    // A unit of the test's own: what counts here is where it is put.
    mkdirSync(join(image, "packaging/systemd"), { recursive: true });
    writeFileSync(join(image, "packaging/systemd/mica.service"), "[Service]\nExecStart=/usr/bin/mica daemon\n");
    for (const name of ["bin", "run", "node/opt/mica", unitFolder]) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "config.toml"), 'root = "/var/lib/mica"\n');
    stub("nsenter", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"');
    stub("systemctl", `echo "systemctl $*" >>${folder}/asked`);
    stub("journalctl", `echo "journalctl $*" >>${folder}/asked`);
    stub("modprobe", "exit 1");
    sockets = await Promise.all(["api", "containerd"].map((name) => answering(join(folder, "run", `${name}.sock`))));
  });
  after(() => {
    for (const socket of sockets) socket.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function stub(name: string, script: string): void {
    writeFileSync(join(folder, "bin", name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  }

  /** Runs a command with the node's /opt/mica in place. */
  function onNode(script: string): ChildProcess {
    const shell = `mkdir -p /opt/mica && mount --bind "$0/node/opt/mica" /opt/mica && ${script}`;
    const env = {
      PATH: `${folder}/bin:${process.env["PATH"] ?? ""}`,
      MICA_IMAGE_FOLDER: image,
      MICA_NODE_FOLDER: join(folder, "node"),
      MICA_CONFIG_FILE: join(folder, "config.toml"),
      MICA_RUN_FOLDER: join(folder, "run"),
    };
    const mounts = `mount -t tmpfs none /opt && ${shell}`;
    return spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", mounts, folder], { env });
  }

  async function install(): Promise<Outcome & { asked: string[] }> {
    rmSync(join(folder, "asked"), { force: true });
    const outcome = await outcomeOf(onNode(`exec "${kubernetes}/install-on-node.sh"`));
    return { ...outcome, asked: readFileSync(join(folder, "asked"), "utf8").trim().split("\n") };
  }

  const onNodePath = (path: string): string => join(folder, "node", path);
  const builds = (): string[] => readdirSync(onNodePath("opt/mica/versions"));
  const restart = "systemctl restart mica.service";

  test("the npm package has in it what it needs, and what is to be read", async () => {
    const { version } = JSON.parse(readFileSync(join(image, "package.json"), "utf8")) as { version: string };
    const env = { PATH: process.env["PATH"], MICA_ROOT: join(folder, "graph"), MICA_RUN_DIR: join(folder, "pools") };
    const mica = (...args: string[]): Promise<Outcome> =>
      outcomeOf(spawn(join(image, "bin/mica"), args, { env, cwd: folder }));
    assert.deepEqual(await mica("--version"), { status: 0, signal: null, stdout: `${version}\n`, stderr: "" });
    assert.match((await mica("--help")).stdout, /^ {2}import +bring in an image/m);
    assert.match((await mica("images")).stderr, /^mica: Cannot .*graph/, "the code of a command is there");
    for (const path of ["man/mica.1", "docs/cluster.md", "packaging/kubernetes/daemonset.yaml", "scripts/setup.sh"]) {
      assert.ok(existsSync(join(image, path)), path);
    }
    assert.ok(!existsSync(join(image, "node_modules/tsx")), "nothing of development is there");
  });

  test("lays the programs out, has the unit run them, and shows the log", async () => {
    const { status, stdout, stderr, asked } = await install();
    assert.equal(status, 0, stderr);
    const [build] = builds();
    assert.match(build, /^\d+\.\d+\.\d+-[0-9a-f]{12}$/);
    assert.match(stdout, new RegExp(`Mica ${build} runs on this node`));
    const dropIn = readFileSync(onNodePath(`${unitFolder}/mica.service.d/programs.conf`), "utf8");
    const programs = `/opt/mica/versions/${build}/bin`;
    assert.equal(dropIn, `[Service]\nExecStart=\nExecStart=${programs}/node ${programs}/mica daemon\n`);
    assert.equal(readFileSync(onNodePath("etc/mica/config.toml"), "utf8"), 'root = "/var/lib/mica"\n');
    assert.ok(asked.includes("systemctl enable --quiet mica.service"));
    assert.ok(asked.indexOf("systemctl daemon-reload") < asked.indexOf(restart));
    assert.equal(asked.at(-1), "journalctl --unit mica.service --follow --lines 50");
    const version = await outcomeOf(onNode("/opt/mica/mica --version"));
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/, version.stderr);
  });

  test("changes nothing the second time, and leaves the daemon alone", async () => {
    const before = builds();
    const { status, stderr, asked } = await install();
    assert.equal(status, 0, stderr);
    assert.deepEqual(builds(), before);
    assert.ok(!asked.includes(restart));
  });

  test("restarts a daemon whose configuration changed, and one that does not answer", async () => {
    writeFileSync(join(folder, "config.toml"), 'root = "/srv/mica"\n');
    assert.ok((await install()).asked.includes(restart));
    assert.equal(readFileSync(onNodePath("etc/mica/config.toml"), "utf8"), 'root = "/srv/mica"\n');
    const [api] = sockets.splice(0, 1);
    api.close();
    const without = await install();
    assert.match(without.stderr, /^The daemon does not answer: /m);
    assert.ok(without.asked.includes(restart));
    sockets.push(await answering(join(folder, "run/api.sock")));
  });

  test("lays a new build beside the old one, and keeps that for as long as a process comes from it", async () => {
    const [old] = builds();
    // As a pool's supervisor would: it goes on from where it was started.
    const supervisor = onNode(`exec /opt/mica/versions/${old}/bin/node -e "console.log('up'); process.stdin.resume()"`);
    await once(supervisor.stdout!, "data");
    try {
      writeFileSync(join(image, "dist/new-build"), "");
      const { status, stderr, asked } = await install();
      assert.equal(status, 0, stderr);
      assert.equal(builds().length, 2);
      assert.ok(builds().includes(old));
      assert.ok(asked.includes(restart));
      assert.equal(supervisor.exitCode, null);
    } finally {
      supervisor.stdin!.end();
      await once(supervisor, "exit");
    }
    assert.equal((await install()).status, 0);
    assert.equal(builds().length, 1);
    assert.ok(!builds().includes(old));
  });

  test("an installation that was cut off is done again", async () => {
    const [build] = builds();
    cpSync(onNodePath(`opt/mica/versions/${build}/bin`), onNodePath("opt/mica/versions/0.0.0-0.new/bin"), {
      recursive: true,
    });
    assert.equal((await install()).status, 0);
    assert.deepEqual(builds(), [build]);
  });

  test("a daemon that does not start is told of, with its log", async () => {
    stub("systemctl", `echo "systemctl $*" >>${folder}/asked; [ "$1" != restart ]`);
    stub("journalctl", `echo "journalctl $*" >>${folder}/asked; echo "what the daemon said"`);
    writeFileSync(join(folder, "config.toml"), "broken\n");
    const { status, stderr } = await install();
    assert.equal(status, 1);
    assert.match(stderr, /what the daemon said\n.*Cannot install Mica on this node: its daemon does not start/s);
    stub("systemctl", "exit 127");
    const { stderr: refused } = await install().catch(() =>
      outcomeOf(onNode(`exec "${kubernetes}/install-on-node.sh"`)),
    );
    assert.match(refused, /Cannot install Mica on this node: it has no systemd/);
  });

  test("the probe fails where nothing answers", async () => {
    const probe = ["env", "MICA_RUN_FOLDER=/nonexistent", process.execPath, join(kubernetes, "probe.mjs")];
    const { status, stderr } = await run(probe[0], probe.slice(1));
    assert.equal(status, 1);
    assert.match(stderr, /^The daemon does not answer: .*ENOENT/);
  });
});

async function answering(path: string): Promise<Server> {
  const server = createServer((_request, response) => response.end()).listen(path);
  await once(server, "listening");
  return server;
}
