import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packageFile } from "../src/linux/package-root.ts";
import { lacksRequirement, outcomeOf } from "./cli-support.ts";
import { missingForKernel } from "./kernel/qemu-kernel.ts";
import { leftoversIn, removeLeftovers } from "./leftovers.ts";

/** What Debian's cloud kernel has not built in and needs for a virtio disk. */
const modules = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"];

test("two forks of one image boot at once, by block device and by NBD, and what they write is in their containers", async (t) => {
  if (lacksRequirement(t)) return;
  const missing = missingForKernel();
  if (missing !== undefined) {
    t.skip(missing);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "mica-boot-"));
  t.after(async () => {
    await removeLeftovers(folder);
    rmSync(folder, { recursive: true, force: true });
  });
  const env = {
    ...process.env,
    TMPDIR: folder,
    KERNEL: packageFile(".cache/kernel/vmlinuz"),
    MODULES: modules.map((name) => packageFile(`.cache/kernel/modules/${name}.ko`)).join(" "),
    ACCEL: "tcg", // a machine that has /dev/kvm may still be none that can use it
  };
  const { status, stdout, stderr } = await outcomeOf(spawn("bash", [packageFile("examples/boot-a-fork.sh")], { env }));
  assert.equal(status, 0, stdout + stderr);
  for (const name of ["one", "two"]) {
    assert.match(stdout, new RegExp(`^${name}: A /written-by-${name} $`, "m"));
    assert.match(stdout, new RegExp(`^I am fork ${name}, on Linux 6`, "m"));
  }
  assert.deepEqual(leftoversIn(folder), []);
  assert.ok(!existsSync(join(folder, "graph")));
});
