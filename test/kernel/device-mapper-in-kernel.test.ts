import { test } from "node:test";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

test("the kernel's device mapper, in the kernel", { skip: missingForUserModeLinux() ?? false }, (t) =>
  runSuiteInKernel(t, {
    files: [
      ...["compliance", "kernel-device-mapper", "udev"].map((name) => `src/device-mapper/kernel/${name}.test.ts`),
      "test/kernel/thin-migrate.in-kernel.ts",
    ],
    programs: { "src/device-mapper/kernel/testing/die-reading.ts": "die-reading" },
    modules: thinPoolModules,
    timeoutMs: 240_000,
  }),
);
