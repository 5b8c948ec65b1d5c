import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { mountTable } from "../linux/mount-table.ts";
import { testPlugin } from "./testing/test-plugin.ts";

const label = "system_u:object_r:container_file_t:s0:c57,c612";
const hasSelinux = existsSync("/sys/fs/selinux/enforce");

test("Docker's label of a mount reaches mount(2) as the context option", async (t) => {
  const plugin = await testPlugin(t);
  if (plugin === undefined) return;
  const { client } = plugin;
  await client.ok("CreateReadWrite", { ID: "labelled", MountLabel: label });
  if (hasSelinux) {
    const { Dir } = await client.ok("Get", { ID: "labelled", MountLabel: label });
    const entry = mountTable().find(({ mountPoint }) => `${mountPoint}/rootfs` === Dir);
    assert.ok(entry?.options.includes(label), entry?.options);
    await client.ok("Put", { ID: "labelled" });
    return;
  }
  // The option is SELinux's own: without it, the file system refuses what it takes for one of its options, and the kernel's log names it.
  const before = lastComplaint();
  const { message } = await client.refused("Get", { ID: "labelled", MountLabel: label });
  assert.match(message, /mount '\/dev\/.+EINVAL/);
  assert.notEqual(lastComplaint(), before);
  await client.ok("Get", { ID: "labelled", MountLabel: "" });
  await client.ok("Put", { ID: "labelled" });
});

/** With its time. */
function lastComplaint(): string | undefined {
  const log = execFileSync("dmesg", { encoding: "utf8", maxBuffer: 1 << 26 });
  return log.split("\n").findLast((line) => line.includes("Unknown parameter 'context'"));
}
