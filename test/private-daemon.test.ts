import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { missingRequirement } from "../src/cli/requirements.ts";
import { snapshotsService } from "../src/containerd/snapshots-proto.ts";
import { run, type Outcome } from "./cli-support.ts";
import { send } from "./fuzz/send.ts";
import { call, snapshotterClient } from "./fuzz/snapshotter-requests.ts";
import { leftoversIn, processesIn, removeLeftovers } from "./leftovers.ts";
import { MicaDaemon } from "./mica-daemon.ts";

/** What `send` gives where the server did not wait for the rest of the body. */
const hungUp = 0;

/** Debian's nobody, who may do nothing that not everybody may. */
const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"];

function asNobody(...command: string[]): Promise<Outcome> {
  const [program, ...args] = [...nobody, ...command];
  return run(program, args);
}

suite("what a daemon has is root's", { skip: missingRequirement() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), "mica-private-"));
  const sockets = {
    "--docker-plugin": join(folder, "run/plugin.sock"),
    "--containerd": join(folder, "run/containerd.sock"),
    "--api": join(folder, "run/api.sock"),
  };
  const daemon = new MicaDaemon(folder, sockets, ["dm.basesize=256M", "dm.loopdatasize=2G", "dm.loopmetadatasize=32M"]);

  before(async () => {
    // As /run and /var/lib are: everybody may go there.
    chmodSync(folder, 0o755);
    mkdirSync(join(folder, "run"), { mode: 0o755 });
    await daemon.start();
    await send(sockets["--docker-plugin"], "/GraphDriver.Create", { body: '{"ID":"layer"}' });
    await send(sockets["--docker-plugin"], "/GraphDriver.Get", { body: '{"ID":"layer"}' });
  });
  after(async () => {
    await daemon.shutdown();
    const left = leftoversIn(folder);
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
    assert.deepEqual(left, []);
  });

  test("its sockets are, and nobody else can connect", async () => {
    for (const socket of Object.values(sockets)) {
      const { mode, uid, gid } = statSync(socket);
      assert.deepEqual([mode & 0o777, uid, gid], [0o600, 0, 0], socket);
      const connecting = `require("net").connect(${JSON.stringify(socket)}).on("error", (error) => console.log(error.code))`;
      const { stdout } = await asNobody(process.execPath, "-e", connecting);
      assert.equal(stdout, "EACCES\n", socket);
    }
  });

  test("it takes no larger requests than it needs", async () => {
    const body = JSON.stringify({ ID: "x".repeat(2 ** 21) });
    const json = { "content-type": "application/json" };
    for (const [socket, path] of [
      [sockets["--docker-plugin"], "/GraphDriver.Create"],
      [sockets["--api"], "/v1/devices"],
    ]) {
      const answer = await send(socket, path, { body, headers: json });
      assert.ok([hungUp, 413].includes(answer.status), `${path} ${answer.status}`);
    }
    for (const socket of [sockets["--docker-plugin"], sockets["--api"]]) {
      const answer = await send(socket, "/", { method: "GET", headers: { x: "x".repeat(20_000) } });
      assert.equal(answer.status, 431, socket);
    }
    const snapshots = snapshotterClient(sockets["--containerd"]);
    const message = snapshotsService["Stat"].requestSerialize({ key: "x".repeat(5 * 2 ** 20) });
    const refusal = await call(snapshots, { method: "Stat", message });
    assert.equal(refusal?.code, status.RESOURCE_EXHAUSTED);
    snapshots.close();
  });

  test("none of its processes listens on the network", () => {
    const listening = new Set(
      ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"].flatMap((protocol) =>
        readFileSync(`/proc/net/${protocol}`, "latin1")
          .split("\n")
          .slice(1)
          .map((line) => line.trim().split(/\s+/)[9]),
      ),
    );
    const processes = processesIn(folder).map(({ pid }) => pid);
    assert.ok(processes.includes(daemon.pid) && processes.length >= 3, "daemon, supervisor and engine");
    for (const pid of processes) {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
        assert.ok(inode === undefined || !listening.has(inode), `process ${pid} has a socket of the network`);
      }
    }
  });

  test("its files, its pool and what is mounted are closed to others", async () => {
    const places = [daemon.root, ...filesBelow(daemon.root), ...filesBelow(daemon.runFolder)];
    assert.ok(places.some((path) => path.endsWith("/control")) && places.length > 15);
    const script = 'for path; do if [ -r "$path" ] || [ -w "$path" ]; then echo "$path"; fi; done';
    const { stdout, stderr, status } = await asNobody("sh", "-c", script, "sh", ...places);
    assert.equal(status, 0, stderr);
    assert.deepEqual(
      stdout.split("\n").filter((path) => path !== "" && path !== join(folder, "run")),
      [],
    );
  });
});

/** Everything below a folder, but not inside of containers' root file systems. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return [path, ...(entry.isDirectory() && entry.name !== "rootfs" ? filesBelow(path) : [])];
  });
}
