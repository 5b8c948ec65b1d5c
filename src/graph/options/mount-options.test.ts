import assert from "node:assert/strict";
import { test } from "node:test";
import { mountFlags } from "../../linux/mount.ts";
import { mountArguments } from "./mount-options.ts";

test("words of mount -o become flags, the rest goes to the file system", () => {
  assert.deepEqual(mountArguments("nouuid", "noatime,nodiscard", undefined, ""), {
    flags: mountFlags.noAtime,
    data: "nouuid,nodiscard",
  });
  assert.deepEqual(mountArguments("ro,nosuid", "rw,errors=panic"), { flags: mountFlags.noSuid, data: "errors=panic" });
  assert.deepEqual(mountArguments('context="u:r:t:c1,c2",ro'), {
    flags: mountFlags.readOnly,
    data: 'context="u:r:t:c1,c2"',
  });
  assert.deepEqual(mountArguments(), { flags: 0, data: "" });
});
