import { suite, test } from "node:test";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

suite("growing a pool of the kernel's device mapper", { skip: missingForUserModeLinux() ?? false }, () => {
  test("does what it does in user space", async (t) => {
    await runSuiteInKernel(t, {
      files: ["src/graph/growth/autogrow.test.ts", "src/graph/growth/growth-under-load.test.ts"],
      modules: thinPoolModules,
      // thin_check reads with O_DIRECT, which tmpfs has not.
      prelude: "scratch_disk graphs 4G; export TMPDIR=$SCRATCH/graphs",
      mebibytes: 3072,
      timeoutMs: 400_000,
    });
  });
});
