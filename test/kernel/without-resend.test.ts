import assert from "node:assert/strict";
import { test } from "node:test";
import { ranInKernel } from "./ran-in-kernel.ts";
import { missingForUserModeLinux, runInUserModeLinux, userModeLinuxName } from "./user-mode-linux.ts";

test(
  "on a kernel without RESEND a killed engine hangs nobody and loses nothing that was flushed",
  { skip: missingForUserModeLinux() ?? false },
  async (t) => {
    // thin_check reads with O_DIRECT, which tmpfs refuses.
    const script = "uname -r; scratch_disk ext4 500M; node --import tsx test/kernel/without-resend.mjs";
    const output = await runInUserModeLinux(script, { modules: ["loop", "fuse"] });
    ranInKernel(t, userModeLinuxName(), 1);
    assert.match(output, /^6\.1\./);
    assert.match(output, /all is well/);
  },
);
