import { existsSync } from "node:fs";
import { suite, test } from "node:test";
import { packageFile } from "../../src/linux/package-root.ts";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

const built = existsSync(packageFile(".cache/graphtest/graphtest"));
const skip = missingForUserModeLinux() ?? (built ? false : "Docker's driver tests are not built");

suite("the Docker plugin on the kernel's device mapper", { skip }, () => {
  test("passes Docker's own driver tests", async (t) => {
    await runSuiteInKernel(t, {
      files: ["test/graphtest.test.ts"],
      modules: thinPoolModules,
      prelude: "scratch_disk graphs 4G; export TMPDIR=$SCRATCH/graphs",
      mebibytes: 2048,
      timeoutMs: 300_000,
    });
  });
});
