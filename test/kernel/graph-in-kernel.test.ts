import { suite, test } from "node:test";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

const graph = (name: string): string => `src/graph/${name}.test.ts`;

/** The graph's own tests, which run on the user-space device mapper elsewhere. */
const files = [
  "devices/base-device",
  "concurrency",
  "devices/device-pool",
  "devices/exports",
  "device-set",
  "growth/growth",
  "devices/lingering",
  "transactions/reconcile",
  "refusals",
  "devices/removal",
  "transactions/transactions",
].map(graph);

/** Streams of devices, which stand on the graph. */
const transfer = "src/transfer/transfer.test.ts";

const disk = "scratch_disk graphs 8G; export TMPDIR=$SCRATCH/graphs";

suite("the graph on the kernel's device mapper", { skip: missingForUserModeLinux() ?? false }, () => {
  test("does what it does in user space", async (t) => {
    await runSuiteInKernel(t, {
      files: [...files, transfer],
      modules: thinPoolModules,
      programs: {
        "src/graph/testing/crash-child.ts": "crash-child",
        "src/graph/testing/create-child.ts": "create-child",
      },
      // thin_check reads with O_DIRECT, which tmpfs has not.
      prelude: disk,
      mebibytes: 3072,
      timeoutMs: 600_000,
    });
  });

  test("and what only the kernel has: pools of others, LVM, and the other device mapper beside it", async (t) => {
    await runSuiteInKernel(t, {
      files: ["graph-pools", "direct-lvm", "send-crossing"].map((name) => `test/kernel/${name}.in-kernel.ts`),
      modules: [...thinPoolModules, "fuse"],
      prelude: disk,
      mebibytes: 2048,
      timeoutMs: 300_000,
    });
  });
});
