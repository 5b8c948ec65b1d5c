import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { pino } from "pino";
import { serveSnapshotter } from "../src/containerd/snapshotter-service.ts";
import { smallSizes, testGraph } from "../src/graph/testing/test-graph.ts";
import { inKernel } from "../src/graph/testing/test-mapper.ts";
import { packageFile } from "../src/linux/package-root.ts";

const program = packageFile(".cache/containerd-conformance/conformance");
const skip = existsSync(program)
  ? false
  : "containerd's suite for snapshotters is not built (scripts/build-containerd-conformance.sh)";

/** Cases of the suite in containerd 1.6. */
const cases = 21;
/** What containerd itself leaves out, of every snapshotter. */
const leftOut = ["Rename"];

/** In the kernel that tests boot, what there is to see is how its device mapper does; XFS is the same there. */
const fileSystems = inKernel ? (["ext4"] as const) : (["ext4", "xfs"] as const);

for (const fs_type of fileSystems) {
  test(`containerd's own suite for snapshotters passes, on ${fs_type}`, { skip, timeout: 300_000 }, async (t) => {
    const graph = testGraph(t);
    if (graph === undefined) return;
    const devices = await graph.open({ storageOptions: smallSizes });
    const socket = join(graph.runDir, "containerd.sock");
    const service = await serveSnapshotter({ devices, log: pino({ level: "error" }) }, { socket, fs_type });
    t.after(() => service.close());
    const child = spawn(program, ["-test.v"], {
      env: { ...process.env, MICA_SNAPSHOTTER: socket, TMPDIR: graph.runDir },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
    const results = [...output.matchAll(/^ {4}--- (PASS|FAIL|SKIP): TestSnapshotter\/(\w+)/gm)];
    for (const [, result, name] of results) {
      await t.test(`${name} on ${fs_type}`, () =>
        assert.equal(result, leftOut.includes(name) ? "SKIP" : "PASS", output),
      );
    }
    assert.equal(child.exitCode, 0, output);
    assert.equal(results.length, cases);
    // What was still mounted when it was removed has gone with its last user.
    await devices.retryDeletions();
    const left = (await devices.devices()).map(({ id }) => id);
    assert.deepEqual(
      left.filter((id) => !id.startsWith("containerd-base-")),
      ["base"],
    );
    assert.deepEqual(await devices.check(), []);
    if (!inKernel)
      assert.deepEqual(
        graph.logged.filter((line) => !/is in use: it is deleted/.test(line)),
        [],
      );
  });
}
