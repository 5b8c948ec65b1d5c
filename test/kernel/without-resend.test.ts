import assert from "node:assert/strict";
import { test } from "node:test";
import { missingForUserModeLinux, runInUserModeLinux } from "./user-mode-linux.ts";

/** thin_check reads with O_DIRECT, which tmpfs refuses: /tmp becomes an ext4 file system. */
const EXT4_ON_TMP = "truncate -s 500M /run/disk; mkfs.ext4 -q /run/disk; mount -o loop /run/disk /tmp";

test(
  "on a kernel without RESEND a killed engine hangs nobody and loses nothing that was flushed",
  { skip: missingForUserModeLinux() ?? false },
  async () => {
    const script = `uname -r; ${EXT4_ON_TMP}; node --import tsx test/kernel/without-resend.mjs`;
    const output = await runInUserModeLinux(script, ["loop", "fuse"]);
    assert.match(output, /^6\.1\./);
    assert.match(output, /all is well/);
  },
);
