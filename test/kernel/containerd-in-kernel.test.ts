import { suite, test } from "node:test";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

suite("containerd's snapshots on the kernel's device mapper", { skip: missingForUserModeLinux() ?? false }, () => {
  test("do what they do in user space, and pass containerd's own suite", async (t) => {
    await runSuiteInKernel(t, {
      files: ["test/containerd-conformance.test.ts", "src/containerd/snapshotter.test.ts"],
      modules: thinPoolModules,
      // thin_check reads with O_DIRECT, which tmpfs has not.
      prelude: "scratch_disk graphs 8G; export TMPDIR=$SCRATCH/graphs",
      mebibytes: 2048,
      timeoutMs: 600_000,
    });
  });
});
