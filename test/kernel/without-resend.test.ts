import assert from "node:assert/strict";
import { test } from "node:test";
import { missingForUserModeLinux, runInUserModeLinux } from "./user-mode-linux.ts";

/** thin_check reads with O_DIRECT, which tmpfs refuses. */
const EXT4 = "cd $SCRATCH; truncate -s 500M disk; mkfs.ext4 -q disk; mkdir ext4; mount -o loop disk ext4; cd -";

test(
  "on a kernel without RESEND a killed engine hangs nobody and loses nothing that was flushed",
  { skip: missingForUserModeLinux() ?? false },
  async () => {
    const script = `uname -r; ${EXT4}; node --import tsx test/kernel/without-resend.mjs`;
    const output = await runInUserModeLinux(script, ["loop", "fuse"]);
    assert.match(output, /^6\.1\./);
    assert.match(output, /all is well/);
  },
);
