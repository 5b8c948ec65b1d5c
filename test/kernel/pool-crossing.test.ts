import { test } from "node:test";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

test("a pool goes by turns through user space and the kernel", { skip: missingForUserModeLinux() ?? false }, (t) =>
  runSuiteInKernel(t, {
    files: ["test/kernel/pool-crossing.in-kernel.ts"],
    modules: thinPoolModules,
    // thin_check reads with O_DIRECT, which tmpfs refuses.
    prelude: "scratch_disk disk 700M; export TMPDIR=$SCRATCH/disk",
    timeoutMs: 180_000,
  }),
);
