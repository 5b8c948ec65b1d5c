import { test } from "node:test";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

test("a graph on disks that lose their power, or fail", { skip: missingForUserModeLinux() ?? false }, (t) =>
  runSuiteInKernel(t, {
    files: ["test/kernel/crash-in-kernel.in-kernel.ts"],
    modules: [...thinPoolModules, "dm-log-writes", "dm-flakey", "dm-snapshot", "fuse"],
    mebibytes: 2048,
    timeoutMs: 400_000,
  }),
);
