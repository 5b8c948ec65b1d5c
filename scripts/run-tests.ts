// Runs test files as `node --test` does, in an order of our own, and prints TAP, or for a terminal what is easier to read.
// Arguments: the files. MICA_TEST_CONCURRENCY: how many at once.
import { run } from "node:test";
import { spec, tap } from "node:test/reporters";
import { resolve } from "node:path";
import { Readable } from "node:stream";

/**
 * Those that take longest, so that none of them is what all wait for in the end. What computes (User-mode Linux) and what waits (Docker,
 * containerd, fuzzing) by turns, so that they run beside each other.
 */
const first = [
  "test/kernel/graph-in-kernel.test.ts",
  "test/fuzz.test.ts",
  "test/cli.test.ts",
  "test/kernel/docker-opens-mica.test.ts",
  "test/docker-managed-plugin.test.ts",
  "test/cli-crash.test.ts",
  "test/kernel/crash-in-kernel.test.ts",
  "test/docker-restarts.test.ts",
  "test/containerd-conformance.test.ts",
  "test/kernel/containerd-in-kernel.test.ts",
  "test/nbd.test.ts",
  "test/docker-story.test.ts",
  "test/kernel/docker-on-mica-in-kernel.test.ts",
  "test/daemon.test.ts",
  "test/adopt-open.test.ts",
  "test/kernel/pool-crossing.test.ts",
  "src/image/store.test.ts",
  "test/cli-registry.test.ts",
  "test/kernel/growth-in-kernel.test.ts",
  "src/device-mapper/userspace/engine-crash.test.ts",
  "src/metadata-tools/damaged-metadata.test.ts",
  "test/kernel/graph-crossing.test.ts",
  "src/thin/pool-crash.test.ts",
  "src/thin/pool-kill.test.ts",
  "test/kernel/device-mapper-in-kernel.test.ts",
  "src/graph/transactions/transactions.test.ts",
  "test/adopt-docker-graphs.test.ts",
  "test/kernel/graphtest-in-kernel.test.ts",
];

type TestEvents = Parameters<typeof tap>[0];

const place = (file: string): number => (first.includes(file) ? first.indexOf(file) : first.length);
const given = process.argv.slice(2);
const files = [...given].sort((one, other) => place(one) - place(other)).map((file) => resolve(file));

const events = run({ files, concurrency: Number(process.env["MICA_TEST_CONCURRENCY"] ?? 3) });
events.on("test:fail", ({ todo }) => {
  if (todo === undefined || todo === false) process.exitCode = 1;
});
if (process.stdout.isTTY) events.pipe(new spec()).pipe(process.stdout);
else Readable.from(tap(events as unknown as TestEvents)).pipe(process.stdout);
