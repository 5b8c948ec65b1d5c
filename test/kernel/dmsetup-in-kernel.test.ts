import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { sessionsFile } from "../dmsetup-sessions.ts";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

/** Set, to record what the real dmsetup does into the fixture. */
const record = process.env["MICA_RECORD"] === "1";

test("dmsetup, beside the real one", { skip: missingForUserModeLinux() ?? false }, async (t) => {
  const output = mkdtempSync(join(tmpdir(), "mica-dmsetup-recorded-"));
  try {
    const exports = [`export MICA_DMSETUP_SESSIONS=${fileURLToPath(sessionsFile)}`];
    if (record) exports.push("export MICA_DMSETUP_RECORD=$OUT/sessions.txt");
    await runSuiteInKernel(t, {
      files: ["test/kernel/dmsetup.in-kernel.ts"],
      programs: { "test/dmsetup-driver.ts": "dmsetup-driver", "src/cli/main.ts": "mica" },
      modules: [...thinPoolModules, "dm-zero"],
      prelude: exports.join("\n"),
      output,
      timeoutMs: 400_000,
    });
    if (record) writeFileSync(sessionsFile, readFileSync(join(output, "sessions.txt"), "utf8"));
  } finally {
    rmSync(output, { recursive: true });
  }
});
