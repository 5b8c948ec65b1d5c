import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { shutdownGraph } from "../../src/graph/graph.ts";
import { parseContents, useGraph, writeContents } from "./graph-crossing-work.ts";
import { runSuiteInKernel } from "./suite-in-kernel.ts";
import { missingForUserModeLinux, thinPoolModules } from "./user-mode-linux.ts";

const missing =
  missingForUserModeLinux() ??
  (process.getuid?.() === 0 && existsSync("/dev/fuse") ? undefined : "needs root, loop devices and FUSE");

test(
  "whole graphs go from this machine's user space to the kernel and back, and the other way round",
  { skip: missing ?? false },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "mica-crossing-"));
    const roots = (where: string): string[] =>
      ["ext4", "xfs"].flatMap((type) =>
        ["user", "kernel"].map((first) => join(folder, where, `${first}-first-${type}`)),
      );
    t.after(async () => {
      for (const root of [...roots(""), ...roots("back")]) await shutdownGraph({ root, deviceMapper: "userspace" });
      rmSync(folder, { recursive: true, force: true });
    });
    for (const fileSystem of ["ext4", "xfs"] as const) {
      const graph = `user-first-${fileSystem}`;
      const root = join(folder, graph);
      writeContents(
        join(folder, `${graph}.json`),
        await useGraph({ root, fileSystem, mapper: "userspace", contents: undefined }, "user"),
      );
    }
    await runSuiteInKernel(t, {
      files: ["test/kernel/graph-crossing.in-kernel.ts"],
      modules: thinPoolModules,
      prelude: "scratch_disk disk 900M; export TMPDIR=$SCRATCH/disk",
      mebibytes: 1536,
      output: folder,
      timeoutMs: 240_000,
    });
    for (const fileSystem of ["ext4", "xfs"] as const) {
      for (const first of ["user", "kernel"]) {
        await t.test(`${first} first, ${fileSystem}: back in user space`, async () => {
          const graph = `${first}-first-${fileSystem}`;
          const contents = parseContents(readFileSync(join(folder, `${graph}.json`), "utf8"));
          const left = await useGraph(
            { root: join(folder, "back", graph), fileSystem, mapper: "userspace", contents },
            "user-again",
          );
          assert.ok(left.has("user-again-d"));
        });
      }
    }
  },
);
